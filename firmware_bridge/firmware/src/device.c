#include "edge_infer/device.h"

#include <string.h>

#include "device.h"
#include "edge_infer/golden.h"

#define READ_BYTES   64U
#define SELF_TEST_NS 1000000000U

static device the;

/* Open the image of a slot in the arena. */
static ei_status open_slot(device *d, uint8_t slot, uint32_t ratio) {
    ei_arena arena = ei_arena_over(d->arena, sizeof d->arena);
    d->policy = POLICY_PERFORMANCE; /* a plan belongs to the bundle that was open */
    const ei_status status =
        ei_bundle_open(&d->bundle, slots_data(slot), ei_hal_layout.slot_bytes, &arena, ratio);
    const bool fits = status != EI_OK || ei_bundle_frame_bytes(&d->bundle) <= sizeof d->frame;
    return fits ? status : EI_TOO_MANY;
}

void device_open_bundle(device *d) {
    d->runs = false;
    d->failure = "no bundle: flash one first";
    if (slots_active_image(&d->slots) == NULL) {
        return;
    }
    const ei_status status = open_slot(d, d->slots.state.active, d->ratio);
    d->runs = status == EI_OK;
    d->failure = d->runs ? "" : ei_status_text(status);
    (void)device_govern(d, POLICY_PERFORMANCE);
    if (!d->runs) {
        slots_fail(&d->slots, d->failure);
    }
}

/* Until when a self-test may go on: clients wait for an answer 2.5 s and more. */
static uint64_t self_test_end_ns;

static bool self_test_goes_on(void) {
    ei_hal_watchdog_feed();
    return ei_hal_now_ns() < self_test_end_ns;
}

/* Every ratio opens: none is refused later. */
static ei_status try_ratios(device *d) {
    ei_status status = EI_OK;
    while (status == EI_OK && d->self_tested_ratios < d->bundle.decisions.ratio_count) {
        const uint32_t ratio = ei_decisions_ratio(&d->bundle.decisions, d->self_tested_ratios);
        status = ratio == EI_FULL_WIDTH ? EI_OK : open_slot(d, slots_other(&d->slots), ratio);
        d->self_tested_ratios += status == EI_OK;
        if (status == EI_OK && ratio != EI_FULL_WIDTH && !self_test_goes_on()) {
            return EI_BUSY;
        }
    }
    return status;
}

/* The golden vectors; a bundle that carries none has to run a black frame. */
static ei_status try_bundle(device *d) {
    inference result;
    const ei_status status = ei_golden_run(&d->bundle, &d->self_tested, self_test_goes_on);
    if (status != EI_NO_ENTRY) {
        return status;
    }
    memset(d->frame, 0, sizeof d->frame);
    device_infer(d, 0, false, &result);
    return EI_OK;
}

ei_status device_self_test(device *d) {
    self_test_end_ns = ei_hal_now_ns() + SELF_TEST_NS;
    ei_status status = open_slot(d, slots_other(&d->slots), EI_FULL_WIDTH);
    if (memcmp(d->self_test_digest, d->bundle.image.digest, EI_SHA256_BYTES) != 0) {
        memcpy(d->self_test_digest, d->bundle.image.digest, EI_SHA256_BYTES);
        d->self_tested = d->self_tested_ratios = 0;
    }
    status = status ? status : try_bundle(d);
    status = status ? status : try_ratios(d);
    d->answered = 0;
    device_open_bundle(d);
    return status;
}

ei_status device_prune(device *d, uint32_t ratio) {
    if (ratio == d->ratio) {
        return EI_OK;
    }
    const ei_status status = open_slot(d, d->slots.state.active, ratio);
    d->answered = 0;
    if (status == EI_OK) {
        d->ratio = ratio;
        return EI_OK;
    }
    device_open_bundle(d);
    return status;
}

ei_status device_govern(device *d, policy wanted) {
    const uint32_t highest = ei_hal_clock_count - 1;
    ei_status status = EI_OK;
    if (wanted == POLICY_PLANNED) {
        status = ei_governor_start(&d->governor, &d->bundle, ei_hal_board, ei_hal_clock_khz());
    }
    if (status != EI_OK) {
        return status;
    }
    d->policy = wanted;
    if (wanted != POLICY_PLANNED) {
        const uint32_t index = wanted == POLICY_POWERSAVE ? 0 : highest;
        (void)clock_set(&d->clock, &d->log, ei_hal_clocks_khz[index]);
    }
    clock_begin(&d->clock);
    return EI_OK;
}

/* Set the clock that the plan says, before a stage or for the wait. */
static void follow_plan(device *d, uint32_t khz) {
    ei_governor_clock_is(&d->governor, clock_set(&d->clock, &d->log, khz));
}

/* Before a stage: the plan's clock, by the time since the frame was whole. */
static void choose_clock(device *d, uint32_t stage, inference *result, uint64_t arrival_ns) {
    ei_governor *g = &d->governor;
    if (d->policy != POLICY_PLANNED) {
        return;
    }
    if (stage == 0) {
        follow_plan(d, ei_governor_first_khz(g, 0));
        return;
    }
    follow_plan(d,
                ei_governor_next_khz(g, stage - 1, result->stage_end_ns[stage - 1] - arrival_ns));
    result->predicted = g->predicts;
    result->bin = g->bin;
}

void device_infer(device *d, uint64_t number, bool quantised, inference *result) {
    const uint64_t arrival_ns = ei_hal_now_ns();
    const uint32_t switches = d->clock.switches;
    memset(result, 0, sizeof *result);
    log_mark(&d->log, LOG_INFERENCE_START, arrival_ns, (uint32_t)number);
    for (uint32_t stage = 0; !result->last.leave; stage++) {
        choose_clock(d, stage, result, arrival_ns);
        result->khz[stage] = ei_hal_clock_khz();
        result->stage_start_ns[stage] = ei_hal_now_ns();
        result->last = ei_bundle_run_stage(&d->bundle, stage, d->frame, quantised);
        result->stage_end_ns[stage] = ei_hal_now_ns();
        result->exit = stage;
        ei_hal_watchdog_feed();
    }
    result->arrival_ns = arrival_ns;
    result->switches = d->clock.switches - switches;
    log_mark(&d->log, LOG_INFERENCE_EXIT, ei_hal_now_ns(), result->exit);
    if (d->policy == POLICY_PLANNED) {
        const uint64_t age_ns = result->stage_end_ns[result->exit] - arrival_ns;
        follow_plan(d, ei_governor_idle_khz(&d->governor, age_ns));
    }
}

/* A bundle on trial that cannot run is given up at once: the next reset is this one. */
static void start(device *d) {
    slots_reset(&d->slots);
    device_open_bundle(d);
    if (!d->runs && d->slots.state.doomed) {
        slots_reset(&d->slots);
        device_open_bundle(d);
    }
    log_mark(&d->log, LOG_CLOCK_KHZ, ei_hal_now_ns(), ei_hal_clock_khz());
}

void ei_device_start(uint8_t ina219_address, uint32_t shunt_uohm) {
    memset(&the, 0, sizeof the);
    the.ratio = EI_FULL_WIDTH;
    start(&the);
    if (ina219_address != 0 && ina219_start(&the.meter, ina219_address, shunt_uohm)) {
        log_mark(&the.log, LOG_METER_START, ei_hal_now_ns(), 0);
    }
    mlperf_greet();
}

bool ei_device_busy(void) {
    return the.mlperf.inferences > 0;
}

const char *ei_device_text(void) {
    return the.runs ? "ok" : the.failure;
}

static void take(device *d, uint8_t byte) {
    switch (frame_take(&d->decoder, byte, ei_hal_now_ns())) {
    case FRAME_MESSAGE:
        smp_answer(d, d->decoder.framing, d->decoder.data, d->decoder.bytes);
        d->decoder.bytes = 0;
        return;
    case FRAME_NOISE:
        mlperf_take(d, byte);
        return;
    case FRAME_NOTHING:
        return;
    }
}

void ei_device_poll(void) {
    uint8_t bytes[READ_BYTES];
    log_entry sample;
    const uint32_t count = ei_hal_uart_read(bytes, sizeof bytes);
    for (uint32_t i = 0; i < count; i++) {
        take(&the, bytes[i]);
    }
    if (ina219_poll(&the.meter, ei_hal_now_ns(), &sample)) {
        log_add(&the.log, &sample);
    }
    mlperf_poll(&the);
    ei_hal_watchdog_feed();
    if (the.reset_wanted) {
        the.reset_wanted = false;
        ei_hal_reset();
    }
}
