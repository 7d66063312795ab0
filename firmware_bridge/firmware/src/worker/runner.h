/**
 * @file
 * Opens the bundle of a slot, tests it and answers frames with it.
 */
#ifndef EINF_RUNNER_H
#define EINF_RUNNER_H

#include "worker/device_state.h"

/** Open what is active; `d->runs` tells whether it does. */
void einf_device_open_bundle(einf_device *d);

/** Does the other slot's bundle open and run? Leaves the active one open again. */
einf_status einf_device_self_test(einf_device *d);

/**
 * Open the bundle that runs at another pruning ratio. Where it has no such ratio, or no room for
 * it, the one before stays.
 */
einf_status einf_device_prune(einf_device *d, uint32_t ratio);

/** Choose the policy and count anew; EINF_NO_ENTRY where the bundle has no plan for this board. */
einf_status einf_device_govern(einf_device *d, einf_policy wanted);

/** Answer `d->frame`. */
void einf_device_infer(einf_device *d, uint64_t number, bool quantised, einf_inference *result);

#endif
