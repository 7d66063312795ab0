/**
 * @file
 * Two slots of flash for bundle files: test, confirm, and revert when nobody confirms.
 *
 * The rules are those of firmware_bridge/slots/slots.py, which are MCUboot's with three differences
 * told there. An image is never moved: a swap is one record written to the older of two state
 * pages, so that a power cut leaves the old state or the new one.
 */
#ifndef EINF_SLOTS_H
#define EINF_SLOTS_H

#include <stdbool.h>

#include "edge_infer/image.h"

#define EINF_REASON_BYTES 64U
#define EINF_NO_SLOT      0xFFU

/** Codes of the SMP image group (Zephyr, img_mgmt.h). */
enum {
    EINF_IMAGE_CODE_NO_IMAGE = 3,
    EINF_IMAGE_CODE_NO_FREE_SLOT = 9,
    EINF_IMAGE_CODE_WRITE_FAILED = 12,
    EINF_IMAGE_CODE_INVALID_SLOT = 14,
    EINF_IMAGE_CODE_INVALID_OFFSET = 20,
    EINF_IMAGE_CODE_INVALID_HASH = 24,
    EINF_IMAGE_CODE_OLDER_THAN_CONFIRMED = 27,
    EINF_IMAGE_CODE_ALREADY_PENDING = 28,
    EINF_IMAGE_CODE_TOO_LARGE = 30,
    EINF_IMAGE_CODE_OVERRUN = 31,
    EINF_IMAGE_CODE_CONFIRMATION_DENIED = 32,
    EINF_IMAGE_CODE_TEST_OF_ACTIVE_DENIED = 33,
};

/** Why something is refused; code 0 when it is not. */
typedef struct {
    uint32_t code;
    const char *reason;
} einf_slot_refusal;

/** What is remembered over a power cut. Every field is written; there is no padding. */
typedef struct {
    uint32_t magic;
    uint32_t sequence; /**< The sound record with the higher one counts. */
    uint8_t active;    /**< Slot that runs, EINF_NO_SLOT before the first bundle. */
    uint8_t confirmed;
    uint8_t fallback; /**< On trial: the other slot holds the confirmed image to go back to. */
    uint8_t pending;
    uint8_t pending_permanent;
    uint8_t pending_rollback;
    uint8_t
        reverted;   /**< `revert_version`, `revert_digest` and `revert_reason` tell the last one. */
    uint8_t doomed; /**< The image on trial failed: `doom_reason`. */
    uint32_t security_counter;
    uint32_t resets;
    uint8_t pending_digest[EINF_SHA256_BYTES];
    uint8_t revert_digest[EINF_SHA256_BYTES];
    einf_version revert_version;
    char revert_reason[EINF_REASON_BYTES];
    char doom_reason[EINF_REASON_BYTES]; /**< Also of a pending rollback. */
    uint32_t crc;
} einf_slot_state;

/** Read the newer record; returns its page, 2 when neither is sound. */
uint32_t einf_slot_state_newest(einf_slot_state *state);

/** Write the state beside the newest record; a power cut in between leaves that one. */
bool einf_slot_state_save(einf_slot_state *state);

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
