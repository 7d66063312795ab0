/* SMP group 70, commands 0 and 1: what runs, and what it did (PROTOCOL.md). */
#include "edge_info.h"

#include "edge_infer/hal.h"
#include "version_text.h"

#if defined(__ARM_ARCH_7EM__)
#define EI_ARCH "armv7e-m"
#elif defined(__arm__)
#define EI_ARCH "arm"
#else
#define EI_ARCH "host"
#endif

const char *edge_policy_name(policy which) {
    static const char *const names[] = {"performance", "powersave", "planned"};
    return names[which];
}

void edge_put_run(cbor_writer *out, const device *d) {
    const ei_decisions *decisions = &d->bundle.decisions;
    char version[VERSION_TEXT_BYTES], ratio[EI_RATIO_TEXT_BYTES];
    version_text(version, &d->bundle.image.version);
    cbor_put_map(out, 9);
    cbor_put_text(out, "bundle");
    cbor_put_text_of(out, decisions->name, decisions->name_bytes);
    cbor_pair_text(out, "version", version);
    cbor_pair_text(out, "board", ei_hal_board);
    cbor_pair_bool(out, "simulated", ei_hal_simulated);
    cbor_pair_bool(out, "metered", false); /* samples are logged; no energy is computed here */
    cbor_pair_text(out, "policy", edge_policy_name(d->policy));
    ei_ratio_text(ratio, d->ratio);
    cbor_pair_text(out, "ratio", ratio);
    cbor_put_text(out, "exits");
    cbor_put_list(out, decisions->stage_count);
    for (uint32_t i = 0; i < decisions->stage_count; i++) {
        cbor_put_text_of(out, decisions->stages[i].name, decisions->stages[i].name_bytes);
    }
    cbor_put_text(out, "backend");
    cbor_put_map(out, 4);
    cbor_pair_text(out, "name", "edge-infer-c");
    cbor_pair_text(out, "version", "0.1.0");
    cbor_pair_text(out, "resolver", "reference");
    cbor_pair_text(out, "arch", EI_ARCH);
}

static void put_revert(cbor_writer *out, const slot_state *state) {
    static const char digits[] = "0123456789abcdef";
    char version[VERSION_TEXT_BYTES], digest[2 * EI_SHA256_BYTES];
    cbor_put_text(out, "revert");
    if (!state->reverted) {
        cbor_put_null(out);
        return;
    }
    version_text(version, &state->revert_version);
    for (uint32_t i = 0; i < EI_SHA256_BYTES; i++) {
        digest[2 * i] = digits[state->revert_digest[i] >> 4];
        digest[2 * i + 1] = digits[state->revert_digest[i] & 15];
    }
    cbor_put_map(out, 3);
    cbor_pair_text(out, "version", version);
    cbor_put_text(out, "digest");
    cbor_put_text_of(out, digest, sizeof digest);
    cbor_pair_text(out, "reason", state->revert_reason);
}

refusal edge_info(device *d, const cbor_map *in, cbor_writer *out) {
    (void)in;
    cbor_put_map(out, 7);
    cbor_put_text(out, "run");
    if (d->runs) {
        edge_put_run(out, d);
    } else {
        cbor_put_null(out);
    }
    cbor_pair_text(out, "failure", d->failure);
    cbor_pair_bool(out, "trial", slots_on_trial(&d->slots));
    cbor_pair_bool(out, "confirmed", d->slots.state.confirmed);
    cbor_pair_uint(out, "counter", d->slots.state.security_counter);
    cbor_pair_uint(out, "resets", d->slots.state.resets);
    put_revert(out, &d->slots.state);
    return granted();
}

static void put_exits(cbor_writer *out, const device *d) {
    uint32_t used = 0;
    for (uint32_t i = 0; i < EI_MAX_STAGES; i++) {
        used += d->exits[i] > 0;
    }
    cbor_put_text(out, "exits");
    cbor_put_list(out, used);
    for (uint32_t i = 0; i < EI_MAX_STAGES; i++) {
        if (d->exits[i] > 0) {
            cbor_put_list(out, 2);
            cbor_put_uint(out, i);
            cbor_put_uint(out, d->exits[i]);
        }
    }
}

refusal edge_statistics(device *d, const cbor_map *in, cbor_writer *out) {
    (void)in;
    cbor_put_map(out, 11);
    cbor_pair_uint(out, "inferences", d->inferences);
    put_exits(out, d);
    cbor_pair_uint(out, "labelled", 0);
    cbor_pair_uint(out, "correct", 0);
    cbor_pair_uint(out, "net", 0);
    cbor_pair_uint(out, "gross", 0);
    cbor_pair_uint(out, "restarts", 0);
    cbor_pair_text(out, "failure", d->failure);
    cbor_pair_bool(out, "busy", false);
    cbor_pair_uint(out, "log_first", log_first(&d->log));
    cbor_pair_uint(out, "log_end", d->log.end);
    return granted();
}
