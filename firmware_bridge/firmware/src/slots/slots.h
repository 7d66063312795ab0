/**
 * @file
 * Two slots of flash for bundle files: test, confirm, and revert when nobody confirms.
 *
 * The rules are those of firmware_bridge/slots/slots.py, which are MCUboot's with three differences
 * told there. An image is never moved: a swap is one record of slot_state.h.
 */
#ifndef EINF_SLOTS_H
#define EINF_SLOTS_H

#include "edge_infer/wire.h"
#include "slots/slot_state.h"

/** Why something is refused: an EINF_IMAGE_CODE_, 0 when it is not. */
typedef struct {
    uint32_t code;
    const char *reason;
} einf_slot_refusal;

/** The slots; a summary of what stands in them. */
typedef struct {
    einf_slot_state state;
    bool sound[2];
    einf_image images[2];
} einf_slots;

/** A reset: swap in what is pending or revert what was not confirmed, then check what runs. */
void einf_slots_reset(einf_slots *s);

/** The slot that does not run. */
uint8_t einf_slots_other(const einf_slots *s);

/** A reset would go back to the bundle before. */
bool einf_slots_on_trial(const einf_slots *s);

/** The image that runs, and the other; NULL when there is none. */
const einf_image *einf_slots_active_image(const einf_slots *s);
const einf_image *einf_slots_other_image(const einf_slots *s);

/** Where a slot begins in memory. */
const uint8_t *einf_slots_data(uint8_t slot);

/** May the other slot be written? */
einf_slot_refusal einf_slots_check_writable(const einf_slots *s);

/** Take what was written into the other slot, `bytes` long. */
einf_slot_refusal einf_slots_accept(einf_slots *s, uint32_t bytes);

/** The other slot is about to be written, or was erased: what stood there is gone. */
void einf_slots_forget_other(einf_slots *s);

/** Let the next reset run the other slot's image. */
einf_slot_refusal einf_slots_test(einf_slots *s, const uint8_t *digest, bool permanent);

/** Keep the image that runs. */
einf_slot_refusal einf_slots_confirm(einf_slots *s);

/** Let the next reset go back. */
einf_slot_refusal einf_slots_roll_back(einf_slots *s, const char *reason, uint32_t bytes);

/** The image on trial failed: the next reset reverts it. */
void einf_slots_fail(einf_slots *s, const char *reason);

#endif
