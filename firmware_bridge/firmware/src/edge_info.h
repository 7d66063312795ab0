/**
 * @file
 * What runs on the device, as the host asks for it.
 */
#ifndef EDGE_INFER_EDGE_INFO_H
#define EDGE_INFER_EDGE_INFO_H

#include "device.h"

/** A policy as the host calls it. */
const char *edge_policy_name(policy which);

/** The map of the bundle that runs. */
void edge_put_run(cbor_writer *out, const device *d);

/** Handlers of the commands. */
refusal edge_info(device *d, const cbor_map *in, cbor_writer *out);
refusal edge_statistics(device *d, const cbor_map *in, cbor_writer *out);

#endif
