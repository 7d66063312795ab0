#include "worker/runner.h"

#include <string.h>

#include "edge_infer/golden.h"
#include "edge_infer/hal.h"

#define EINF_SELF_TEST_NS 1000000000U

/* Open the image of a slot in the arena. */
static einf_status open_slot(einf_device *d, uint8_t slot, uint32_t ratio) {
    einf_arena arena = einf_arena_over(d->arena, sizeof d->arena);
    d->policy = EINF_POLICY_PERFORMANCE; /* a plan belongs to the bundle that was open */
    const einf_status status = einf_bundle_open(&d->bundle, einf_slots_data(slot),
                                                einf_hal_layout.slot_bytes, &arena, ratio);
    const bool fits = status != EINF_OK || einf_bundle_frame_bytes(&d->bundle) <= sizeof d->frame;
    return fits ? status : EINF_TOO_MANY;
}

void einf_device_open_bundle(einf_device *d) {
    d->runs = false;
    d->failure = "no bundle: flash one first";
    if (einf_slots_active_image(&d->slots) == NULL) {
        return;
    }
    const einf_status status = open_slot(d, d->slots.state.active, d->ratio);
    d->runs = status == EINF_OK;
    d->failure = d->runs ? "" : einf_status_text(status);
    (void)einf_device_govern(d, EINF_POLICY_PERFORMANCE);
    if (!d->runs) {
        einf_slots_fail(&d->slots, d->failure);
    }
}

/* Until when a self-test may go on: clients wait for an answer 2.5 s and more. */
static uint64_t self_test_end_ns;

static bool self_test_goes_on(void) {
    einf_hal_watchdog_feed();
    return einf_hal_now_ns() < self_test_end_ns;
}

/* Every ratio opens: none is refused later. */
static einf_status try_ratios(einf_device *d) {
    einf_status status = EINF_OK;
    while (status == EINF_OK && d->self_tested_ratios < d->bundle.decisions.ratio_count) {
        const uint32_t ratio = einf_decisions_ratio(&d->bundle.decisions, d->self_tested_ratios);
        status =
            ratio == EINF_FULL_WIDTH ? EINF_OK : open_slot(d, einf_slots_other(&d->slots), ratio);
        d->self_tested_ratios += status == EINF_OK;
        if (status == EINF_OK && ratio != EINF_FULL_WIDTH && !self_test_goes_on()) {
            return EINF_BUSY;
        }
    }
    return status;
}

/* The golden vectors; a bundle that carries none has to run a black frame. */
static einf_status try_bundle(einf_device *d) {
    einf_inference result;
    const einf_status status = einf_golden_run(&d->bundle, &d->self_tested, self_test_goes_on);
    if (status != EINF_NO_ENTRY) {
        return status;
    }
    memset(d->frame, 0, sizeof d->frame);
    einf_device_infer(d, 0, false, &result);
    return EINF_OK;
}

einf_status einf_device_self_test(einf_device *d) {
    self_test_end_ns = einf_hal_now_ns() + EINF_SELF_TEST_NS;
    einf_status status = open_slot(d, einf_slots_other(&d->slots), EINF_FULL_WIDTH);
    if (memcmp(d->self_test_digest, d->bundle.image.digest, EINF_SHA256_BYTES) != 0) {
        memcpy(d->self_test_digest, d->bundle.image.digest, EINF_SHA256_BYTES);
        d->self_tested = d->self_tested_ratios = 0;
    }
    status = status ? status : try_bundle(d);
    status = status ? status : try_ratios(d);
    d->answered = 0;
    einf_device_open_bundle(d);
    return status;
}

einf_status einf_device_prune(einf_device *d, uint32_t ratio) {
    if (ratio == d->ratio) {
        return EINF_OK;
    }
    const einf_status status = open_slot(d, d->slots.state.active, ratio);
    d->answered = 0;
    if (status == EINF_OK) {
        d->ratio = ratio;
        return EINF_OK;
    }
    einf_device_open_bundle(d);
    return status;
}

einf_status einf_device_govern(einf_device *d, einf_policy wanted) {
    const uint32_t highest = einf_hal_clock_count - 1;
    einf_status status = EINF_OK;
    if (wanted == EINF_POLICY_PLANNED) {
        status =
            einf_governor_start(&d->governor, &d->bundle, einf_hal_board, einf_hal_clock_khz());
    }
    if (status != EINF_OK) {
        return status;
    }
    d->policy = wanted;
    if (wanted != EINF_POLICY_PLANNED) {
        const uint32_t index = wanted == EINF_POLICY_POWERSAVE ? 0 : highest;
        (void)einf_residency_set_clock(&d->residency, &d->log, einf_hal_clocks_khz[index]);
    }
    einf_residency_begin(&d->residency);
    return EINF_OK;
}

/* Set the clock that the plan says, before a stage or for the wait. */
static void follow_plan(einf_device *d, uint32_t khz) {
    einf_governor_clock_is(&d->governor, einf_residency_set_clock(&d->residency, &d->log, khz));
}

/* Before a stage: the plan's clock, by the time since the frame was whole. */
static void choose_clock(einf_device *d, uint32_t stage, einf_inference *result,
                         uint64_t arrival_ns) {
    einf_governor *g = &d->governor;
    if (d->policy != EINF_POLICY_PLANNED) {
        return;
    }
    if (stage == 0) {
        follow_plan(d, einf_governor_first_khz(g, 0));
        return;
    }
    follow_plan(d,
                einf_governor_next_khz(g, stage - 1, result->stage_end_ns[stage - 1] - arrival_ns));
    result->predicted = g->predicts;
    result->bin = g->bin;
}

/* Before a later stage: whether the plan says to leave with the answer that there is. */
static bool leaves_early(einf_device *d, uint32_t stage, const einf_inference *result,
                         uint64_t arrival_ns) {
    if (stage == 0 || d->policy != EINF_POLICY_PLANNED) {
        return false;
    }
    return einf_governor_leaves(&d->governor, stage - 1, result->last.confidence,
                                result->stage_end_ns[stage - 1] - arrival_ns);
}

void einf_device_infer(einf_device *d, uint64_t number, bool quantised, einf_inference *result) {
    const uint64_t arrival_ns = einf_hal_now_ns();
    const uint32_t switches = d->residency.switches;
    memset(result, 0, sizeof *result);
    einf_log_mark(&d->log, EINF_LOG_INFERENCE_START, arrival_ns, (uint32_t)number);
    for (uint32_t stage = 0; !result->last.leave && !leaves_early(d, stage, result, arrival_ns);
         stage++) {
        choose_clock(d, stage, result, arrival_ns);
        result->khz[stage] = einf_hal_clock_khz();
        result->stage_start_ns[stage] = einf_hal_now_ns();
        result->last = einf_bundle_run_stage(&d->bundle, stage, d->frame, quantised);
        result->stage_end_ns[stage] = einf_hal_now_ns();
        result->exit = stage;
        einf_hal_watchdog_feed();
    }
    result->arrival_ns = arrival_ns;
    result->switches = d->residency.switches - switches;
    einf_log_mark(&d->log, EINF_LOG_INFERENCE_EXIT, einf_hal_now_ns(), result->exit);
    if (d->policy == EINF_POLICY_PLANNED) {
        einf_governor_answered(&d->governor, result->exit);
        const uint64_t age_ns = result->stage_end_ns[result->exit] - arrival_ns;
        follow_plan(d, einf_governor_idle_khz(&d->governor, age_ns));
    }
}
