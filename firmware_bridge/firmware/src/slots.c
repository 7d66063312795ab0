#include "slots.h"

#include <string.h>

#include "edge_infer/hal.h"
#include "edge_infer/trust.h"

static const slot_refusal allowed = {0, NULL};

const uint8_t *slots_data(uint8_t slot) {
    return ei_hal_flash() + ei_hal_layout.slot_offset[slot];
}

static ei_status look(slots *s, uint8_t slot) {
    ei_image *image = &s->images[slot];
    ei_status status = ei_image_open(image, slots_data(slot), ei_hal_layout.slot_bytes);
    ei_hal_watchdog_feed();
    status = status ? status : ei_image_check_trust(image, ei_hal_trusted_key);
    ei_hal_watchdog_feed();
    s->sound[slot] = status == EI_OK;
    return status;
}

uint8_t slots_other(const slots *s) {
    return s->state.active == 1 ? 0 : s->state.active == 0;
}

bool slots_on_trial(const slots *s) {
    return s->state.active != NO_SLOT && !s->state.confirmed && s->state.fallback;
}

const ei_image *slots_active_image(const slots *s) {
    const uint8_t active = s->state.active;
    return active != NO_SLOT && s->sound[active] ? &s->images[active] : NULL;
}

const ei_image *slots_other_image(const slots *s) {
    return s->sound[slots_other(s)] ? &s->images[slots_other(s)] : NULL;
}

static void set_reason(char to[REASON_BYTES], const char *reason, uint32_t bytes) {
    const uint32_t count = bytes < REASON_BYTES - 1 ? bytes : REASON_BYTES - 1;
    memset(to, 0, REASON_BYTES);
    memcpy(to, reason, count);
}

/* Go back to the other slot's image, and remember why. */
static void revert(slots *s, const char *reason) {
    char kept[REASON_BYTES];
    slot_state *state = &s->state;
    const ei_image *gone = slots_active_image(s);
    set_reason(kept, reason, (uint32_t)strlen(reason));
    memset(state->revert_digest, 0, sizeof state->revert_digest);
    state->revert_version = (ei_version){0, 0, 0, 0};
    if (gone != NULL) {
        memcpy(state->revert_digest, gone->digest, sizeof state->revert_digest);
        state->revert_version = gone->version;
    }
    memcpy(state->revert_reason, kept, sizeof kept);
    state->reverted = 1;
    state->active = slots_other(s);
    state->confirmed = 1;
    state->fallback = 0;
    state->doomed = 0;
}

static void swap_in(slots *s) {
    slot_state *state = &s->state;
    const ei_image *next = slots_other_image(s);
    const bool rollback = state->pending_rollback, permanent = state->pending_permanent;
    state->pending = state->pending_permanent = state->pending_rollback = 0;
    if (next == NULL || memcmp(next->digest, state->pending_digest, EI_SHA256_BYTES) != 0) {
        return;
    }
    if (rollback) {
        revert(s, state->doom_reason);
        return;
    }
    if (permanent && next->security_counter > state->security_counter) {
        state->security_counter = next->security_counter;
    }
    state->fallback = state->confirmed;
    state->confirmed = permanent;
    state->active = slots_other(s);
}

/* What runs is damaged: the other one, or nothing. */
static void replace_damaged(slots *s) {
    const ei_image *other = slots_other_image(s);
    if (other != NULL && other->security_counter >= s->state.security_counter) {
        revert(s, "the slot that ran is damaged");
        return;
    }
    s->state.active = NO_SLOT;
    s->state.confirmed = s->state.fallback = 0;
}

/* No record is sound: a new device, or one whose state was destroyed. */
static void recover(slots *s) {
    memset(&s->state, 0, sizeof s->state);
    s->state.active = s->sound[0] ? 0 : s->sound[1] ? 1 : NO_SLOT;
    if (s->state.active != NO_SLOT) {
        s->state.confirmed = 1;
        s->state.security_counter = s->images[s->state.active].security_counter;
        s->state.reverted = 1;
        static const char reason[] = "the stored slot state was unreadable";
        set_reason(s->state.revert_reason, reason, sizeof reason - 1);
    }
}

void slots_reset(slots *s) {
    (void)look(s, 0);
    (void)look(s, 1);
    if (slot_state_newest(&s->state) == 2) {
        recover(s);
    }
    s->state.resets++;
    if (s->state.pending) {
        swap_in(s);
    } else if (slots_on_trial(s) && slots_other_image(s) != NULL) {
        revert(s, s->state.doomed ? s->state.doom_reason : "not confirmed before the reset");
    }
    if (s->state.active != NO_SLOT && !s->sound[s->state.active]) {
        replace_damaged(s);
    }
    /* What runs is decided by what could be read, whether it can be written or not. */
    (void)slot_state_save(&s->state);
}

slot_refusal slots_check_writable(const slots *s) {
    if (s->state.pending) {
        return (slot_refusal){IMAGE_ALREADY_PENDING,
                              "the other slot's bundle is pending: reset the device first"};
    }
    if (slots_on_trial(s)) {
        return (slot_refusal){IMAGE_NO_FREE_SLOT,
                              "the bundle that runs is on trial and the other slot is its way "
                              "back: confirm it, or reset to go back"};
    }
    return allowed;
}

static slot_refusal check_counter(const slots *s, const ei_image *image) {
    if (image->security_counter < s->state.security_counter) {
        return (slot_refusal){IMAGE_OLDER_THAN_CONFIRMED,
                              "its security counter is below the confirmed one: sign a newer "
                              "bundle"};
    }
    return allowed;
}

void slots_forget_other(slots *s) {
    s->sound[slots_other(s)] = false;
}

slot_refusal slots_accept(slots *s, uint32_t bytes) {
    const uint8_t slot = slots_other(s);
    slot_refusal refusal = slots_check_writable(s);
    if (refusal.code) {
        return refusal;
    }
    const ei_status status = look(s, slot);
    if (status == EI_SIGNATURE) {
        return (slot_refusal){IMAGE_INVALID_HASH,
                              "the bundle file is not signed with a key that this device trusts"};
    }
    if (!s->sound[slot] || s->images[slot].bytes != bytes) {
        slots_forget_other(s);
        return (slot_refusal){IMAGE_INVALID_HASH, "the bundle file is damaged: its SHA-256 or form "
                                                  "is wrong"};
    }
    refusal = check_counter(s, &s->images[slot]);
    if (refusal.code) {
        slots_forget_other(s);
    }
    return refusal;
}

static slot_refusal saved(slots *s) {
    if (slot_state_save(&s->state)) {
        return allowed;
    }
    (void)slot_state_newest(&s->state); /* what is stored goes on counting */
    return (slot_refusal){IMAGE_WRITE_FAILED, "the state could not be written to flash"};
}

slot_refusal slots_test(slots *s, const uint8_t *digest, bool permanent) {
    const ei_image *active = slots_active_image(s), *other = slots_other_image(s);
    if (active != NULL && memcmp(digest, active->digest, EI_SHA256_BYTES) == 0) {
        return permanent ? slots_confirm(s)
                         : (slot_refusal){IMAGE_TEST_OF_ACTIVE_DENIED, "this bundle runs already"};
    }
    if (other == NULL || memcmp(digest, other->digest, EI_SHA256_BYTES) != 0) {
        return (slot_refusal){IMAGE_INVALID_HASH, "no slot holds this bundle"};
    }
    if (slots_on_trial(s)) {
        return (slot_refusal){IMAGE_ALREADY_PENDING,
                              "the bundle that runs is on trial: confirm it, or reset to go back"};
    }
    const slot_refusal refusal = check_counter(s, other);
    if (refusal.code) {
        return refusal;
    }
    s->state.pending = 1;
    s->state.pending_permanent = permanent;
    s->state.pending_rollback = 0;
    memcpy(s->state.pending_digest, digest, EI_SHA256_BYTES);
    return saved(s);
}

slot_refusal slots_confirm(slots *s) {
    const ei_image *active = slots_active_image(s);
    if (active == NULL) {
        return (slot_refusal){IMAGE_NO_IMAGE, "no bundle runs: flash one first"};
    }
    if (s->state.doomed) {
        return (slot_refusal){IMAGE_CONFIRMATION_DENIED,
                              "the bundle failed and reverts at the next reset"};
    }
    if (s->state.confirmed && !s->state.fallback &&
        active->security_counter <= s->state.security_counter) {
        return allowed;
    }
    s->state.confirmed = 1;
    s->state.fallback = 0;
    if (active->security_counter > s->state.security_counter) {
        s->state.security_counter = active->security_counter;
    }
    return saved(s);
}

slot_refusal slots_roll_back(slots *s, const char *reason, uint32_t bytes) {
    const ei_image *other = slots_other_image(s);
    if (!slots_on_trial(s)) {
        if (other == NULL) {
            return (slot_refusal){IMAGE_NO_IMAGE, "the other slot holds nothing to go back to"};
        }
        const slot_refusal refusal = check_counter(s, other);
        if (refusal.code) {
            return refusal;
        }
        s->state.pending = s->state.pending_permanent = s->state.pending_rollback = 1;
        memcpy(s->state.pending_digest, other->digest, EI_SHA256_BYTES);
    } else if (s->state.doomed) {
        return allowed;
    } else {
        s->state.doomed = 1;
    }
    set_reason(s->state.doom_reason, reason, bytes);
    return saved(s);
}

void slots_fail(slots *s, const char *reason) {
    if (slots_on_trial(s)) {
        (void)slots_roll_back(s, reason, (uint32_t)strlen(reason));
    }
}
