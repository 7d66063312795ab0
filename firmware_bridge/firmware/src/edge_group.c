/* SMP group 70, ours: the bundle that runs, inferences, the power log (PROTOCOL.md). */
#include <string.h>

#include "device.h"
#include "edge_infer/bytes.h"
#include "edge_infer/hal.h"
#include "edge_info.h"

#define BATCH_BYTES (MESSAGE_BYTES - 128U)

static refusal nothing_runs(const device *d) {
    return refuse(SMP_BAD_STATE, d->failure);
}

static void put_times(cbor_writer *out, const char *key, const uint64_t *times, uint32_t count) {
    cbor_put_text(out, key);
    cbor_put_list(out, count);
    for (uint32_t i = 0; i < count; i++) {
        cbor_put_uint(out, times[i]);
    }
}

static void put_probabilities(cbor_writer *out, const ei_predictor *p, uint32_t bin) {
    cbor_put_text(out, "probabilities");
    cbor_put_list(out, p->exits);
    for (uint32_t exit = 0; exit < p->exits; exit++) {
        cbor_put_float64(out, ei_u64(p->probabilities + 8 * (bin * p->exits + exit)));
    }
}

static void put_record(cbor_writer *out, const device *d, uint64_t number) {
    const inference *r = &d->result;
    const uint32_t stages = r->exit + 1;
    char ratio[EI_RATIO_TEXT_BYTES];
    uint64_t invoked_ns = 0;
    for (uint32_t i = 0; i < stages; i++) {
        invoked_ns += r->stage_end_ns[i] - r->stage_start_ns[i];
    }
    cbor_put_map(out, r->predicted ? 13 : 12);
    cbor_pair_uint(out, "n", number);
    cbor_pair_uint(out, "answer", r->last.answer);
    cbor_pair_uint(out, "exit", r->exit);
    cbor_pair_int(out, "confidence", r->last.confidence);
    cbor_pair_uint(out, "start", r->arrival_ns);
    cbor_pair_uint(out, "end", r->stage_end_ns[r->exit]);
    put_times(out, "starts", r->stage_start_ns, stages);
    put_times(out, "ends", r->stage_end_ns, stages);
    cbor_put_text(out, "points");
    cbor_put_list(out, stages);
    for (uint32_t i = 0; i < stages; i++) {
        cbor_put_list(out, 2);
        cbor_put_uint(out, r->khz[i]);
        cbor_put_uint(out, 1);
    }
    cbor_pair_uint(out, "switches", r->switches);
    cbor_pair_uint(out, "invoke", invoked_ns);
    ei_ratio_text(ratio, d->ratio);
    cbor_pair_text(out, "ratio", ratio);
    if (r->predicted) {
        put_probabilities(out, &d->bundle.predictor, r->bin);
    }
}

static bool is_text(const cbor_string *text, const char *wanted) {
    return text->bytes == strlen(wanted) && memcmp(text->data, wanted, text->bytes) == 0;
}

/* The frame is whole: answer it, once, however often it is asked. */
static refusal answer_frame(device *d, const cbor_map *in, cbor_writer *out, uint64_t number) {
    cbor_string dtype;
    if (d->frame_filled != ei_bundle_frame_bytes(&d->bundle)) {
        return refuse(SMP_INVALID, "the frame has another size than the bundle takes");
    }
    if (!cbor_text(in, "dtype", &dtype) ||
        (!is_text(&dtype, "uint8") && !is_text(&dtype, "int8"))) {
        return refuse(SMP_INVALID, "dtype: uint8 or int8 on this device");
    }
    const bool quantised = is_text(&dtype, "int8");
    if (!quantised && d->bundle.decisions.stages[0].lookup == NULL) {
        return refuse(SMP_INVALID, "this bundle's frames have to come quantised, as int8");
    }
    device_infer(d, number, quantised, &d->result);
    d->answered = number + 1;
    d->inferences++;
    d->exits[d->result.exit]++;
    put_record(out, d, number);
    return granted();
}

static refusal infer(device *d, const cbor_map *in, cbor_writer *out) {
    uint64_t number, offset, length, session;
    cbor_string data;
    if (!d->runs) {
        return nothing_runs(d);
    }
    if (!cbor_uint(in, "n", &number) || !cbor_uint(in, "off", &offset) ||
        !cbor_uint(in, "len", &length) || !cbor_uint(in, "session", &session)) {
        return refuse(SMP_INVALID, "'n', 'off', 'len' and 'session' have to be numbers");
    }
    if (length > sizeof d->frame) {
        return refuse(SMP_NO_MEMORY, "the frame is larger than this device's buffer");
    }
    if (d->answered == number + 1 && d->session == session) {
        put_record(out, d, number);
        return granted();
    }
    if (offset == 0) {
        d->frame_number = number;
        d->session = session;
        d->frame_filled = 0;
        d->answered = 0;
    }
    const bool current = d->frame_number == number && d->session == session;
    (void)cbor_bytes(in, "data", &data);
    if (!current || offset != d->frame_filled || data.bytes > length - offset) {
        cbor_put_map(out, 1);
        cbor_pair_uint(out, "off", current ? d->frame_filled : 0);
        return granted();
    }
    memcpy(d->frame + offset, data.data, data.bytes);
    d->frame_filled += data.bytes;
    if (d->frame_filled < length) {
        cbor_put_map(out, 1);
        cbor_pair_uint(out, "off", d->frame_filled);
        return granted();
    }
    return answer_frame(d, in, out, number);
}

static refusal take_policy(device *d, const cbor_map *in) {
    cbor_string text;
    policy wanted = POLICY_PERFORMANCE;
    if (cbor_text(in, "policy", &text)) {
        if (is_text(&text, edge_policy_name(POLICY_PLANNED))) {
            wanted = POLICY_PLANNED;
        } else if (is_text(&text, edge_policy_name(POLICY_POWERSAVE))) {
            wanted = POLICY_POWERSAVE;
        } else if (!is_text(&text, edge_policy_name(POLICY_PERFORMANCE))) {
            return refuse(SMP_INVALID, "policies of this device: performance, powersave, planned");
        }
    }
    if (wanted == POLICY_PLANNED && d->ratio != EI_FULL_WIDTH) {
        return refuse(SMP_INVALID, "a plan is of the full width: planned goes with ratio 1.0");
    }
    if (device_govern(d, wanted) != EI_OK) {
        return refuse(SMP_INVALID, "the bundle file carries no plan for this board: pack it with "
                                   "edge-infer bundle pack --plan-board");
    }
    return granted();
}

static refusal take_ratio(device *d, const cbor_map *in) {
    cbor_string text;
    uint32_t ratio = EI_FULL_WIDTH;
    if (cbor_text(in, "ratio", &text)) {
        ratio = ei_ratio_of((const char *)text.data, text.bytes);
    }
    const ei_status status = ratio ? device_prune(d, ratio) : EI_NO_ENTRY;
    if (status == EI_NO_ENTRY) {
        return refuse(SMP_INVALID, "the bundle has no such pruning ratio");
    }
    return status ? refuse(SMP_INVALID, ei_status_text(status)) : granted();
}

static refusal engine(device *d, const cbor_map *in, cbor_writer *out) {
    if (!d->runs) {
        return nothing_runs(d);
    }
    refusal refused = take_ratio(d, in);
    refused = refused.code ? refused : take_policy(d, in);
    if (refused.code == 0) {
        edge_put_run(out, d);
    }
    return refused;
}

static refusal finish(device *d, const cbor_map *in, cbor_writer *out) {
    (void)in;
    clock_count(&d->clock);
    cbor_put_map(out, 2);
    cbor_put_text(out, "residency");
    cbor_put_list(out, d->clock.count);
    for (uint32_t i = 0; i < d->clock.count; i++) {
        cbor_put_list(out, 2);
        cbor_put_uint(out, d->clock.khz[i]);
        cbor_put_uint(out, d->clock.ns[i]);
    }
    cbor_put_text(out, "energy");
    cbor_put_null(out);
    return granted();
}

static refusal energies(device *d, const cbor_map *in, cbor_writer *out) {
    (void)d;
    (void)in;
    cbor_put_map(out, 1);
    cbor_put_text(out, "energies");
    cbor_put_list(out, 0);
    return granted();
}

static refusal read_log(device *d, const cbor_map *in, cbor_writer *out) {
    uint8_t batch[BATCH_BYTES];
    uint64_t from;
    uint32_t count;
    if (!cbor_uint(in, "from", &from)) {
        return refuse(SMP_INVALID, "'from' has to be a number");
    }
    uint32_t first = from > UINT32_MAX ? UINT32_MAX : (uint32_t)from;
    const uint32_t bytes = log_batch(&d->log, &first, &count, batch, sizeof batch);
    cbor_put_map(out, 5);
    cbor_pair_uint(out, "first", first);
    cbor_pair_uint(out, "count", count);
    cbor_pair_uint(out, "end", d->log.end);
    cbor_pair_uint(out, "ns", ei_hal_now_ns());
    cbor_pair_bytes(out, "batch", batch, bytes);
    return granted();
}

static refusal time_now(device *d, const cbor_map *in, cbor_writer *out) {
    (void)d;
    (void)in;
    cbor_put_map(out, 1);
    cbor_pair_uint(out, "ns", ei_hal_now_ns());
    return granted();
}

static refusal roll_back(device *d, const cbor_map *in, cbor_writer *out) {
    static const char fallback[] = "asked by the host";
    cbor_string reason;
    if (!cbor_text(in, "reason", &reason)) {
        reason = (cbor_string){(const uint8_t *)fallback, sizeof fallback - 1};
    }
    const slot_refusal why = slots_roll_back(&d->slots, (const char *)reason.data, reason.bytes);
    if (why.code) {
        return refuse(SMP_BAD_STATE, why.reason);
    }
    cbor_put_map(out, 0);
    return granted();
}

static const smp_command commands[] = {
    {0, SMP_READ, edge_info}, {1, SMP_READ, edge_statistics}, {3, SMP_WRITE, infer},
    {4, SMP_WRITE, engine},   {5, SMP_WRITE, finish},         {6, SMP_READ, energies},
    {7, SMP_READ, read_log},  {8, SMP_READ, time_now},        {9, SMP_WRITE, roll_back},
};

const smp_group edge_group = {GROUP_EDGE_INFER, sizeof commands / sizeof *commands, "edge-infer",
                              commands};
