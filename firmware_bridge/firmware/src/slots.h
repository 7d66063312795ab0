/**
 * @file
 * Two slots of flash for bundle files: test, confirm, and revert when nobody confirms.
 *
 * The rules are those of firmware_bridge/slots/slots.py, which are MCUboot's with three differences
 * told there. An image is never moved: a swap is one record written to the older of two state
 * pages, so that a power cut leaves the old state or the new one.
 */
#ifndef EDGE_INFER_SLOTS_H
#define EDGE_INFER_SLOTS_H

#include <stdbool.h>

#include "edge_infer/image.h"

#define REASON_BYTES 64U
#define NO_SLOT      0xFFU

/** Codes of the SMP image group (Zephyr, img_mgmt.h). */
enum {
    IMAGE_NO_IMAGE = 3,
    IMAGE_NO_FREE_SLOT = 9,
    IMAGE_WRITE_FAILED = 12,
    IMAGE_INVALID_SLOT = 14,
    IMAGE_INVALID_OFFSET = 20,
    IMAGE_INVALID_HASH = 24,
    IMAGE_OLDER_THAN_CONFIRMED = 27,
    IMAGE_ALREADY_PENDING = 28,
    IMAGE_TOO_LARGE = 30,
    IMAGE_OVERRUN = 31,
    IMAGE_CONFIRMATION_DENIED = 32,
    IMAGE_TEST_OF_ACTIVE_DENIED = 33,
};

/** Why something is refused; code 0 when it is not. */
typedef struct {
    uint32_t code;
    const char *reason;
} slot_refusal;

/** What is remembered over a power cut. Every field is written; there is no padding. */
typedef struct {
    uint32_t magic;
    uint32_t sequence; /**< The sound record with the higher one counts. */
    uint8_t active;    /**< Slot that runs, NO_SLOT before the first bundle. */
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
    uint8_t pending_digest[EI_SHA256_BYTES];
    uint8_t revert_digest[EI_SHA256_BYTES];
    ei_version revert_version;
    char revert_reason[REASON_BYTES];
    char doom_reason[REASON_BYTES]; /**< Also of a pending rollback. */
    uint32_t crc;
} slot_state;

/** Read the newer record; returns its page, 2 when neither is sound. */
uint32_t slot_state_newest(slot_state *state);

/** Write the state beside the newest record; a power cut in between leaves that one. */
bool slot_state_save(slot_state *state);

/** The slots; a summary of what stands in them. */
typedef struct {
    slot_state state;
    bool sound[2];
    ei_image images[2];
} slots;

/** A reset: swap in what is pending or revert what was not confirmed, then check what runs. */
void slots_reset(slots *s);

/** The slot that does not run. */
uint8_t slots_other(const slots *s);

/** A reset would go back to the bundle before. */
bool slots_on_trial(const slots *s);

/** The image that runs, and the other; NULL when there is none. */
const ei_image *slots_active_image(const slots *s);
const ei_image *slots_other_image(const slots *s);

/** Where a slot begins in memory. */
const uint8_t *slots_data(uint8_t slot);

/** May the other slot be written? */
slot_refusal slots_check_writable(const slots *s);

/** Take what was written into the other slot, `bytes` long. */
slot_refusal slots_accept(slots *s, uint32_t bytes);

/** The other slot is about to be written, or was erased: what stood there is gone. */
void slots_forget_other(slots *s);

/** Let the next reset run the other slot's image. */
slot_refusal slots_test(slots *s, const uint8_t *digest, bool permanent);

/** Keep the image that runs. */
slot_refusal slots_confirm(slots *s);

/** Let the next reset go back. */
slot_refusal slots_roll_back(slots *s, const char *reason, uint32_t bytes);

/** The image on trial failed: the next reset reverts it. */
void slots_fail(slots *s, const char *reason);

#endif
