/**
 * @file
 * What the slots remember over a power cut: one record, written to the older of two pages of flash,
 * so that a cut leaves the old state or the new one.
 */
#ifndef EINF_SLOT_STATE_H
#define EINF_SLOT_STATE_H

#include <stdbool.h>

#include "edge_infer/image.h"

#define EINF_REASON_BYTES 64U
#define EINF_NO_SLOT      0xFFU

/** The record. Every field is written; there is no padding. */
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
        reverted; /**< `revert_version`, `revert_digest` and `revert_reason` tell the last one. */
    uint8_t trial_failed; /**< Why stands in `trial_reason`. */
    uint32_t security_counter;
    uint32_t resets;
    uint8_t pending_digest[EINF_SHA256_BYTES];
    uint8_t revert_digest[EINF_SHA256_BYTES];
    einf_version revert_version;
    char revert_reason[EINF_REASON_BYTES];
    char trial_reason[EINF_REASON_BYTES]; /**< Of the failure, or of a pending rollback. */
    uint32_t crc;
} einf_slot_state;

/** Read the newer record; returns its page, 2 when neither is sound. */
uint32_t einf_slot_state_newest(einf_slot_state *state);

/** Write the state beside the newest record; a power cut in between leaves that one. */
bool einf_slot_state_save(einf_slot_state *state);

#endif
