/**
 * @file
 * MLPerf Tiny's text protocol, device side.
 */
#ifndef EINF_MLPERF_TINY_H
#define EINF_MLPERF_TINY_H

#include "worker/device_state.h"

/** A byte that belongs to no SMP frame. */
void einf_mlperf_take(einf_device *d, uint8_t byte);

/** Go on with an `infer`, one frame. */
void einf_mlperf_poll(einf_device *d);

/** Say what the benchmark's runner waits for after a start. */
void einf_mlperf_greet(void);

#endif
