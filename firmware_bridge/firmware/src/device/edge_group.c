/* SMP group 70, ours: the bundle that runs, inferences, the power log (PROTOCOL.md). */
#include <string.h>

#include "device/edge_info.h"
#include "edge_infer/bytes.h"
#include "edge_infer/hal.h"
#include "worker/runner.h"

#define EINF_BATCH_BYTES (EINF_MESSAGE_BYTES - 128U)

static einf_refusal nothing_runs(const einf_device *d) {
    return einf_refuse(EINF_CODE_BAD_STATE, d->failure);
}

static void put_times(einf_cbor_writer *out, const char *key, const uint64_t *times,
                      uint32_t count) {
    einf_cbor_put_text(out, key);
    einf_cbor_put_list(out, count);
    for (uint32_t i = 0; i < count; i++) {
        einf_cbor_put_uint(out, times[i]);
    }
}

static void put_probabilities(einf_cbor_writer *out, const einf_predictor *p, uint32_t bin) {
    einf_cbor_put_text(out, EINF_KEY_PROBABILITIES);
    einf_cbor_put_list(out, p->exits);
    for (uint32_t exit = 0; exit < p->exits; exit++) {
        einf_cbor_put_float64(out, einf_u64(p->probabilities + 8 * (bin * p->exits + exit)));
    }
}

static void put_record(einf_cbor_writer *out, const einf_device *d, uint64_t number) {
    const einf_inference *r = &d->result;
    const uint32_t stages = r->exit + 1;
    char ratio[EINF_RATIO_TEXT_BYTES];
    uint64_t invoked_ns = 0;
    for (uint32_t i = 0; i < stages; i++) {
        invoked_ns += r->stage_end_ns[i] - r->stage_start_ns[i];
    }
    einf_cbor_put_map(out, r->predicted ? 13 : 12);
    einf_cbor_pair_uint(out, EINF_KEY_N, number);
    einf_cbor_pair_uint(out, EINF_KEY_ANSWER, r->last.answer);
    einf_cbor_pair_uint(out, EINF_KEY_EXIT, r->exit);
    einf_cbor_pair_int(out, EINF_KEY_CONFIDENCE, r->last.confidence);
    einf_cbor_pair_uint(out, EINF_KEY_START, r->arrival_ns);
    einf_cbor_pair_uint(out, EINF_KEY_END, r->stage_end_ns[r->exit]);
    put_times(out, EINF_KEY_STARTS, r->stage_start_ns, stages);
    put_times(out, EINF_KEY_ENDS, r->stage_end_ns, stages);
    einf_cbor_put_text(out, EINF_KEY_POINTS);
    einf_cbor_put_list(out, stages);
    for (uint32_t i = 0; i < stages; i++) {
        einf_cbor_put_list(out, 2);
        einf_cbor_put_uint(out, r->khz[i]);
        einf_cbor_put_uint(out, 1);
    }
    einf_cbor_pair_uint(out, EINF_KEY_SWITCHES, r->switches);
    einf_cbor_pair_uint(out, EINF_KEY_INVOKE, invoked_ns);
    einf_ratio_text(ratio, d->ratio);
    einf_cbor_pair_text(out, EINF_KEY_RATIO, ratio);
    if (r->predicted) {
        put_probabilities(out, &d->bundle.predictor, r->bin);
    }
}

static bool is_text(const einf_cbor_string *text, const char *wanted) {
    return text->bytes == strlen(wanted) && memcmp(text->data, wanted, text->bytes) == 0;
}

/* The frame is whole: answer it, once, however often it is asked. */
static einf_refusal answer_frame(einf_device *d, const einf_cbor_map *in, einf_cbor_writer *out,
                                 uint64_t number) {
    einf_cbor_string dtype;
    if (d->frame_filled != einf_bundle_frame_bytes(&d->bundle)) {
        return einf_refuse(EINF_CODE_INVALID, "the frame has another size than the bundle takes");
    }
    if (!einf_cbor_text(in, EINF_KEY_DTYPE, &dtype) ||
        (!is_text(&dtype, "uint8") && !is_text(&dtype, "int8"))) {
        return einf_refuse(EINF_CODE_INVALID, "dtype: uint8 or int8 on this device");
    }
    const bool quantised = is_text(&dtype, "int8");
    if (!quantised && d->bundle.decisions.stages[0].lookup == NULL) {
        return einf_refuse(EINF_CODE_INVALID,
                           "this bundle's frames have to come quantised, as int8");
    }
    einf_device_infer(d, number, quantised, &d->result);
    d->answered = number + 1;
    d->inferences++;
    d->exits[d->result.exit]++;
    put_record(out, d, number);
    return einf_granted();
}

static einf_refusal infer(einf_device *d, const einf_cbor_map *in, einf_cbor_writer *out) {
    uint64_t number, offset, length, session;
    einf_cbor_string data;
    if (!d->runs) {
        return nothing_runs(d);
    }
    if (!einf_cbor_uint(in, EINF_KEY_N, &number) || !einf_cbor_uint(in, EINF_KEY_OFF, &offset) ||
        !einf_cbor_uint(in, EINF_KEY_LEN, &length) ||
        !einf_cbor_uint(in, EINF_KEY_SESSION, &session)) {
        return einf_refuse(EINF_CODE_INVALID, "'n', 'off', 'len' and 'session' have to be numbers");
    }
    if (length > sizeof d->frame) {
        return einf_refuse(EINF_CODE_NO_MEMORY, "the frame is larger than this device's buffer");
    }
    if (d->answered == number + 1 && d->session == session) {
        put_record(out, d, number);
        return einf_granted();
    }
    if (offset == 0) {
        d->frame_number = number;
        d->session = session;
        d->frame_filled = 0;
        d->answered = 0;
    }
    const bool current = d->frame_number == number && d->session == session;
    (void)einf_cbor_bytes(in, EINF_KEY_DATA, &data);
    if (!current || offset != d->frame_filled || data.bytes > length - offset) {
        einf_cbor_put_map(out, 1);
        einf_cbor_pair_uint(out, EINF_KEY_OFF, current ? d->frame_filled : 0);
        return einf_granted();
    }
    memcpy(d->frame + offset, data.data, data.bytes);
    d->frame_filled += data.bytes;
    if (d->frame_filled < length) {
        einf_cbor_put_map(out, 1);
        einf_cbor_pair_uint(out, EINF_KEY_OFF, d->frame_filled);
        return einf_granted();
    }
    return answer_frame(d, in, out, number);
}

static einf_refusal take_policy(einf_device *d, const einf_cbor_map *in) {
    einf_cbor_string text;
    einf_policy wanted = EINF_POLICY_PERFORMANCE;
    if (einf_cbor_text(in, EINF_KEY_POLICY, &text)) {
        if (is_text(&text, einf_edge_policy_name(EINF_POLICY_PLANNED))) {
            wanted = EINF_POLICY_PLANNED;
        } else if (is_text(&text, einf_edge_policy_name(EINF_POLICY_POWERSAVE))) {
            wanted = EINF_POLICY_POWERSAVE;
        } else if (!is_text(&text, einf_edge_policy_name(EINF_POLICY_PERFORMANCE))) {
            return einf_refuse(EINF_CODE_INVALID,
                               "policies of this device: performance, powersave, planned");
        }
    }
    if (wanted == EINF_POLICY_PLANNED && d->ratio != EINF_FULL_WIDTH) {
        return einf_refuse(EINF_CODE_INVALID,
                           "a plan is of the full width: planned goes with ratio 1.0");
    }
    if (einf_device_govern(d, wanted) != EINF_OK) {
        return einf_refuse(EINF_CODE_INVALID,
                           "the bundle file carries no plan for this board: pack it with "
                           "edge-infer bundle pack --plan-board");
    }
    return einf_granted();
}

static einf_refusal take_ratio(einf_device *d, const einf_cbor_map *in) {
    einf_cbor_string text;
    uint32_t ratio = EINF_FULL_WIDTH;
    if (einf_cbor_text(in, EINF_KEY_RATIO, &text)) {
        ratio = einf_ratio_of((const char *)text.data, text.bytes);
    }
    const einf_status status = ratio ? einf_device_prune(d, ratio) : EINF_NO_ENTRY;
    if (status == EINF_NO_ENTRY) {
        return einf_refuse(EINF_CODE_INVALID, "the bundle has no such pruning ratio");
    }
    return status ? einf_refuse(EINF_CODE_INVALID, einf_status_text(status)) : einf_granted();
}

static einf_refusal engine(einf_device *d, const einf_cbor_map *in, einf_cbor_writer *out) {
    if (!d->runs) {
        return nothing_runs(d);
    }
    einf_refusal refused = take_ratio(d, in);
    refused = refused.code ? refused : take_policy(d, in);
    if (refused.code == 0) {
        einf_edge_put_run(out, d);
    }
    return refused;
}

static einf_refusal finish(einf_device *d, const einf_cbor_map *in, einf_cbor_writer *out) {
    (void)in;
    einf_residency_count(&d->residency);
    einf_cbor_put_map(out, 2);
    einf_cbor_put_text(out, EINF_KEY_RESIDENCY);
    einf_cbor_put_list(out, d->residency.count);
    for (uint32_t i = 0; i < d->residency.count; i++) {
        einf_cbor_put_list(out, 2);
        einf_cbor_put_uint(out, d->residency.khz[i]);
        einf_cbor_put_uint(out, d->residency.ns[i]);
    }
    einf_cbor_put_text(out, EINF_KEY_ENERGY);
    einf_cbor_put_null(out);
    return einf_granted();
}

static einf_refusal energies(einf_device *d, const einf_cbor_map *in, einf_cbor_writer *out) {
    (void)d;
    (void)in;
    einf_cbor_put_map(out, 1);
    einf_cbor_put_text(out, EINF_KEY_ENERGIES);
    einf_cbor_put_list(out, 0);
    return einf_granted();
}

static einf_refusal read_log(einf_device *d, const einf_cbor_map *in, einf_cbor_writer *out) {
    uint8_t batch[EINF_BATCH_BYTES];
    uint64_t from;
    uint32_t count;
    if (!einf_cbor_uint(in, EINF_KEY_FROM, &from)) {
        return einf_refuse(EINF_CODE_INVALID, "'from' has to be a number");
    }
    uint32_t first = from > UINT32_MAX ? UINT32_MAX : (uint32_t)from;
    const uint32_t bytes = einf_log_batch(&d->log, &first, &count, batch, sizeof batch);
    einf_cbor_put_map(out, 5);
    einf_cbor_pair_uint(out, EINF_KEY_FIRST, first);
    einf_cbor_pair_uint(out, EINF_KEY_COUNT, count);
    einf_cbor_pair_uint(out, EINF_KEY_END, d->log.end);
    einf_cbor_pair_uint(out, EINF_KEY_NS, einf_hal_now_ns());
    einf_cbor_pair_bytes(out, EINF_KEY_BATCH, batch, bytes);
    return einf_granted();
}

static einf_refusal time_now(einf_device *d, const einf_cbor_map *in, einf_cbor_writer *out) {
    (void)d;
    (void)in;
    einf_cbor_put_map(out, 1);
    einf_cbor_pair_uint(out, EINF_KEY_NS, einf_hal_now_ns());
    return einf_granted();
}

static einf_refusal roll_back(einf_device *d, const einf_cbor_map *in, einf_cbor_writer *out) {
    static const char fallback[] = "asked by the host";
    einf_cbor_string reason;
    if (!einf_cbor_text(in, EINF_KEY_REASON, &reason)) {
        reason = (einf_cbor_string){(const uint8_t *)fallback, sizeof fallback - 1};
    }
    const einf_slot_refusal why =
        einf_slots_roll_back(&d->slots, (const char *)reason.data, reason.bytes);
    if (why.code) {
        return einf_refuse(EINF_CODE_BAD_STATE, why.reason);
    }
    einf_cbor_put_map(out, 0);
    return einf_granted();
}

static const einf_smp_command commands[] = {
    {EINF_EDGE_INFO, EINF_OP_READ, einf_edge_info},
    {EINF_EDGE_STATISTICS, EINF_OP_READ, einf_edge_statistics},
    {EINF_EDGE_INFER, EINF_OP_WRITE, infer},
    {EINF_EDGE_ENGINE, EINF_OP_WRITE, engine},
    {EINF_EDGE_FINISH, EINF_OP_WRITE, finish},
    {EINF_EDGE_ENERGIES, EINF_OP_READ, energies},
    {EINF_EDGE_LOG, EINF_OP_READ, read_log},
    {EINF_EDGE_TIME, EINF_OP_READ, time_now},
    {EINF_EDGE_ROLLBACK, EINF_OP_WRITE, roll_back},
};

const einf_smp_group einf_edge_group = {EINF_GROUP_EDGE_INFER, sizeof commands / sizeof *commands,
                                        "edge-infer", commands};
