#include "slots/slots.h"

#include <string.h>

#include "edge_infer/hal.h"
#include "edge_infer/trust.h"

static const einf_slot_refusal allowed = {0, NULL};

const uint8_t *einf_slots_data(uint8_t slot) {
    return einf_hal_flash() + einf_hal_layout.slot_offset[slot];
}

static einf_status look(einf_slots *s, uint8_t slot) {
    einf_image *image = &s->images[slot];
    einf_status status = einf_image_open(image, einf_slots_data(slot), einf_hal_layout.slot_bytes);
    einf_hal_watchdog_feed();
    status = status ? status : einf_image_check_trust(image, einf_hal_trusted_key);
    einf_hal_watchdog_feed();
    s->sound[slot] = status == EINF_OK;
    return status;
}

uint8_t einf_slots_other(const einf_slots *s) {
    return s->state.active == 1 ? 0 : s->state.active == 0;
}

bool einf_slots_on_trial(const einf_slots *s) {
    return s->state.active != EINF_NO_SLOT && !s->state.confirmed && s->state.fallback;
}

const einf_image *einf_slots_active_image(const einf_slots *s) {
    const uint8_t active = s->state.active;
    return active != EINF_NO_SLOT && s->sound[active] ? &s->images[active] : NULL;
}

const einf_image *einf_slots_other_image(const einf_slots *s) {
    return s->sound[einf_slots_other(s)] ? &s->images[einf_slots_other(s)] : NULL;
}

static void set_reason(char to[EINF_REASON_BYTES], const char *reason, uint32_t bytes) {
    const uint32_t count = bytes < EINF_REASON_BYTES - 1 ? bytes : EINF_REASON_BYTES - 1;
    memset(to, 0, EINF_REASON_BYTES);
    memcpy(to, reason, count);
}

/* Go back to the other slot's image, and remember why. */
static void revert(einf_slots *s, const char *reason) {
    char kept[EINF_REASON_BYTES];
    einf_slot_state *state = &s->state;
    const einf_image *gone = einf_slots_active_image(s);
    set_reason(kept, reason, (uint32_t)strlen(reason));
    memset(state->revert_digest, 0, sizeof state->revert_digest);
    state->revert_version = (einf_version){0, 0, 0, 0};
    if (gone != NULL) {
        memcpy(state->revert_digest, gone->digest, sizeof state->revert_digest);
        state->revert_version = gone->version;
    }
    memcpy(state->revert_reason, kept, sizeof kept);
    state->reverted = 1;
    state->active = einf_slots_other(s);
    state->confirmed = 1;
    state->fallback = 0;
    state->trial_failed = 0;
}

static void swap_in(einf_slots *s) {
    einf_slot_state *state = &s->state;
    const einf_image *next = einf_slots_other_image(s);
    const bool rollback = state->pending_rollback, permanent = state->pending_permanent;
    state->pending = state->pending_permanent = state->pending_rollback = 0;
    if (next == NULL || memcmp(next->digest, state->pending_digest, EINF_SHA256_BYTES) != 0) {
        return;
    }
    if (rollback) {
        revert(s, state->trial_reason);
        return;
    }
    if (permanent && next->security_counter > state->security_counter) {
        state->security_counter = next->security_counter;
    }
    state->fallback = state->confirmed;
    state->confirmed = permanent;
    state->active = einf_slots_other(s);
}

/* What runs is damaged: the other one, or nothing. */
static void replace_damaged(einf_slots *s) {
    const einf_image *other = einf_slots_other_image(s);
    if (other != NULL && other->security_counter >= s->state.security_counter) {
        revert(s, "the slot that ran is damaged");
        return;
    }
    s->state.active = EINF_NO_SLOT;
    s->state.confirmed = s->state.fallback = 0;
}

/* No record is sound: a new device, or one whose state was destroyed. */
static void recover(einf_slots *s) {
    memset(&s->state, 0, sizeof s->state);
    s->state.active = s->sound[0] ? 0 : s->sound[1] ? 1 : EINF_NO_SLOT;
    if (s->state.active != EINF_NO_SLOT) {
        s->state.confirmed = 1;
        s->state.security_counter = s->images[s->state.active].security_counter;
        s->state.reverted = 1;
        static const char reason[] = "the stored slot state was unreadable";
        set_reason(s->state.revert_reason, reason, sizeof reason - 1);
    }
}

void einf_slots_reset(einf_slots *s) {
    (void)look(s, 0);
    (void)look(s, 1);
    if (einf_slot_state_newest(&s->state) == 2) {
        recover(s);
    }
    s->state.resets++;
    if (s->state.pending) {
        swap_in(s);
    } else if (einf_slots_on_trial(s) && einf_slots_other_image(s) != NULL) {
        revert(s, s->state.trial_failed ? s->state.trial_reason : "not confirmed before the reset");
    }
    if (s->state.active != EINF_NO_SLOT && !s->sound[s->state.active]) {
        replace_damaged(s);
    }
    /* What runs is decided by what could be read, whether it can be written or not. */
    (void)einf_slot_state_save(&s->state);
}

einf_slot_refusal einf_slots_check_writable(const einf_slots *s) {
    if (s->state.pending) {
        return (einf_slot_refusal){EINF_IMAGE_CODE_ALREADY_PENDING,
                                   "the other slot's bundle is pending: reset the device first"};
    }
    if (einf_slots_on_trial(s)) {
        return (einf_slot_refusal){EINF_IMAGE_CODE_NO_FREE_SLOT,
                                   "the bundle that runs is on trial and the other slot is its way "
                                   "back: confirm it, or reset to go back"};
    }
    return allowed;
}

static einf_slot_refusal check_counter(const einf_slots *s, const einf_image *image) {
    if (image->security_counter < s->state.security_counter) {
        return (einf_slot_refusal){EINF_IMAGE_CODE_OLDER_THAN_CONFIRMED,
                                   "its security counter is below the confirmed one: sign a newer "
                                   "bundle"};
    }
    return allowed;
}

void einf_slots_forget_other(einf_slots *s) {
    s->sound[einf_slots_other(s)] = false;
}

einf_slot_refusal einf_slots_accept(einf_slots *s, uint32_t bytes) {
    const uint8_t slot = einf_slots_other(s);
    einf_slot_refusal refusal = einf_slots_check_writable(s);
    if (refusal.code) {
        return refusal;
    }
    const einf_status status = look(s, slot);
    if (status == EINF_SIGNATURE) {
        return (einf_slot_refusal){
            EINF_IMAGE_CODE_INVALID_HASH,
            "the bundle file is not signed with a key that this device trusts"};
    }
    if (!s->sound[slot] || s->images[slot].bytes != bytes) {
        einf_slots_forget_other(s);
        return (einf_slot_refusal){EINF_IMAGE_CODE_INVALID_HASH,
                                   "the bundle file is damaged: its SHA-256 or form "
                                   "is wrong"};
    }
    refusal = check_counter(s, &s->images[slot]);
    if (refusal.code) {
        einf_slots_forget_other(s);
    }
    return refusal;
}

static einf_slot_refusal saved(einf_slots *s) {
    if (einf_slot_state_save(&s->state)) {
        return allowed;
    }
    (void)einf_slot_state_newest(&s->state); /* what is stored goes on counting */
    return (einf_slot_refusal){EINF_IMAGE_CODE_WRITE_FAILED,
                               "the state could not be written to flash"};
}

einf_slot_refusal einf_slots_test(einf_slots *s, const uint8_t *digest, bool permanent) {
    const einf_image *active = einf_slots_active_image(s), *other = einf_slots_other_image(s);
    if (active != NULL && memcmp(digest, active->digest, EINF_SHA256_BYTES) == 0) {
        return permanent ? einf_slots_confirm(s)
                         : (einf_slot_refusal){EINF_IMAGE_CODE_TEST_OF_ACTIVE_DENIED,
                                               "this bundle runs already"};
    }
    if (other == NULL || memcmp(digest, other->digest, EINF_SHA256_BYTES) != 0) {
        return (einf_slot_refusal){EINF_IMAGE_CODE_INVALID_HASH, "no slot holds this bundle"};
    }
    if (einf_slots_on_trial(s)) {
        return (einf_slot_refusal){
            EINF_IMAGE_CODE_ALREADY_PENDING,
            "the bundle that runs is on trial: confirm it, or reset to go back"};
    }
    const einf_slot_refusal refusal = check_counter(s, other);
    if (refusal.code) {
        return refusal;
    }
    s->state.pending = 1;
    s->state.pending_permanent = permanent;
    s->state.pending_rollback = 0;
    memcpy(s->state.pending_digest, digest, EINF_SHA256_BYTES);
    return saved(s);
}

einf_slot_refusal einf_slots_confirm(einf_slots *s) {
    const einf_image *active = einf_slots_active_image(s);
    if (active == NULL) {
        return (einf_slot_refusal){EINF_IMAGE_CODE_NO_IMAGE, "no bundle runs: flash one first"};
    }
    if (s->state.trial_failed) {
        return (einf_slot_refusal){EINF_IMAGE_CODE_CONFIRMATION_DENIED,
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

einf_slot_refusal einf_slots_roll_back(einf_slots *s, const char *reason, uint32_t bytes) {
    const einf_image *other = einf_slots_other_image(s);
    if (!einf_slots_on_trial(s)) {
        if (other == NULL) {
            return (einf_slot_refusal){EINF_IMAGE_CODE_NO_IMAGE,
                                       "the other slot holds nothing to go back to"};
        }
        const einf_slot_refusal refusal = check_counter(s, other);
        if (refusal.code) {
            return refusal;
        }
        s->state.pending = s->state.pending_permanent = s->state.pending_rollback = 1;
        memcpy(s->state.pending_digest, other->digest, EINF_SHA256_BYTES);
    } else if (s->state.trial_failed) {
        return allowed;
    } else {
        s->state.trial_failed = 1;
    }
    set_reason(s->state.trial_reason, reason, bytes);
    return saved(s);
}

void einf_slots_fail(einf_slots *s, const char *reason) {
    if (einf_slots_on_trial(s)) {
        (void)einf_slots_roll_back(s, reason, (uint32_t)strlen(reason));
    }
}
