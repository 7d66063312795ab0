/* SMP group 70, commands 0 and 1: what runs, and what it did (PROTOCOL.md). */
#include "device/edge_info.h"

#include "edge_infer/hal.h"
#include "image/version_text.h"

#if defined(__ARM_ARCH_7EM__)
#define EINF_ARCH "armv7e-m"
#elif defined(__arm__)
#define EINF_ARCH "arm"
#else
#define EINF_ARCH "host"
#endif

const char *einf_edge_policy_name(einf_policy which) {
    static const char *const names[] = {"performance", "powersave", "planned"};
    return names[which];
}

void einf_edge_put_run(einf_cbor_writer *out, const einf_device *d) {
    const einf_decisions *decisions = &d->bundle.decisions;
    char version[EINF_VERSION_TEXT_BYTES], ratio[EINF_RATIO_TEXT_BYTES];
    einf_version_text(version, &d->bundle.image.version);
    einf_cbor_put_map(out, 9);
    einf_cbor_put_text(out, EINF_KEY_BUNDLE);
    einf_cbor_put_text_of(out, decisions->name, decisions->name_bytes);
    einf_cbor_pair_text(out, EINF_KEY_VERSION, version);
    einf_cbor_pair_text(out, EINF_KEY_BOARD, einf_hal_board);
    einf_cbor_pair_bool(out, EINF_KEY_SIMULATED, einf_hal_simulated);
    einf_cbor_pair_bool(out, EINF_KEY_METERED,
                        false); /* samples are logged; no energy is computed here */
    einf_cbor_pair_text(out, EINF_KEY_POLICY, einf_edge_policy_name(d->policy));
    einf_ratio_text(ratio, d->ratio);
    einf_cbor_pair_text(out, EINF_KEY_RATIO, ratio);
    einf_cbor_put_text(out, EINF_KEY_EXITS);
    einf_cbor_put_list(out, decisions->stage_count);
    for (uint32_t i = 0; i < decisions->stage_count; i++) {
        einf_cbor_put_text_of(out, decisions->stages[i].name, decisions->stages[i].name_bytes);
    }
    einf_cbor_put_text(out, EINF_KEY_BACKEND);
    einf_cbor_put_map(out, 4);
    einf_cbor_pair_text(out, EINF_KEY_NAME, "edge-infer-c");
    einf_cbor_pair_text(out, EINF_KEY_VERSION, "0.1.0");
    einf_cbor_pair_text(out, "resolver", "reference");
    einf_cbor_pair_text(out, "arch", EINF_ARCH);
}

static void put_revert(einf_cbor_writer *out, const einf_slot_state *state) {
    static const char digits[] = "0123456789abcdef";
    char version[EINF_VERSION_TEXT_BYTES], digest[2 * EINF_SHA256_BYTES];
    einf_cbor_put_text(out, EINF_KEY_REVERT);
    if (!state->reverted) {
        einf_cbor_put_null(out);
        return;
    }
    einf_version_text(version, &state->revert_version);
    for (uint32_t i = 0; i < EINF_SHA256_BYTES; i++) {
        digest[2 * i] = digits[state->revert_digest[i] >> 4];
        digest[2 * i + 1] = digits[state->revert_digest[i] & 15];
    }
    einf_cbor_put_map(out, 3);
    einf_cbor_pair_text(out, EINF_KEY_VERSION, version);
    einf_cbor_put_text(out, EINF_KEY_DIGEST);
    einf_cbor_put_text_of(out, digest, sizeof digest);
    einf_cbor_pair_text(out, EINF_KEY_REASON, state->revert_reason);
}

einf_refusal einf_edge_info(einf_device *d, const einf_cbor_map *in, einf_cbor_writer *out) {
    (void)in;
    einf_cbor_put_map(out, 7);
    einf_cbor_put_text(out, EINF_KEY_RUN);
    if (d->runs) {
        einf_edge_put_run(out, d);
    } else {
        einf_cbor_put_null(out);
    }
    einf_cbor_pair_text(out, EINF_KEY_FAILURE, d->failure);
    einf_cbor_pair_bool(out, EINF_KEY_TRIAL, einf_slots_on_trial(&d->slots));
    einf_cbor_pair_bool(out, EINF_KEY_CONFIRMED, d->slots.state.confirmed);
    einf_cbor_pair_uint(out, EINF_KEY_COUNTER, d->slots.state.security_counter);
    einf_cbor_pair_uint(out, EINF_KEY_RESETS, d->slots.state.resets);
    put_revert(out, &d->slots.state);
    return einf_granted();
}

static void put_exits(einf_cbor_writer *out, const einf_device *d) {
    uint32_t used = 0;
    for (uint32_t i = 0; i < EINF_MAX_STAGES; i++) {
        used += d->exits[i] > 0;
    }
    einf_cbor_put_text(out, EINF_KEY_EXITS);
    einf_cbor_put_list(out, used);
    for (uint32_t i = 0; i < EINF_MAX_STAGES; i++) {
        if (d->exits[i] > 0) {
            einf_cbor_put_list(out, 2);
            einf_cbor_put_uint(out, i);
            einf_cbor_put_uint(out, d->exits[i]);
        }
    }
}

einf_refusal einf_edge_statistics(einf_device *d, const einf_cbor_map *in, einf_cbor_writer *out) {
    (void)in;
    einf_cbor_put_map(out, 11);
    einf_cbor_pair_uint(out, EINF_KEY_INFERENCES, d->inferences);
    put_exits(out, d);
    einf_cbor_pair_uint(out, EINF_KEY_LABELLED, 0);
    einf_cbor_pair_uint(out, EINF_KEY_CORRECT, 0);
    einf_cbor_pair_uint(out, EINF_KEY_NET, 0);
    einf_cbor_pair_uint(out, EINF_KEY_GROSS, 0);
    einf_cbor_pair_uint(out, EINF_KEY_RESTARTS, 0);
    einf_cbor_pair_text(out, EINF_KEY_FAILURE, d->failure);
    einf_cbor_pair_bool(out, EINF_KEY_BUSY, false);
    einf_cbor_pair_uint(out, EINF_KEY_LOG_FIRST, einf_log_first(&d->log));
    einf_cbor_pair_uint(out, EINF_KEY_LOG_END, d->log.end);
    return einf_granted();
}
