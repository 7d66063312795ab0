/**
 * @file
 * What runs on the device, as the host asks for it.
 */
#ifndef EINF_EDGE_INFO_H
#define EINF_EDGE_INFO_H

#include "device/group.h"

/** A policy as the host calls it. */
const char *einf_edge_policy_name(einf_policy which);

/** The map of the bundle that runs. */
void einf_edge_put_run(einf_cbor_writer *out, const einf_device *d);

/** Handlers of the commands. */
einf_refusal einf_edge_info(einf_device *d, const einf_cbor_map *in, einf_cbor_writer *out);
einf_refusal einf_edge_statistics(einf_device *d, const einf_cbor_map *in, einf_cbor_writer *out);

#endif
