#include "edge_infer/governor.h"

#include <string.h>

ei_status ei_governor_start(ei_governor *g, const ei_bundle *b, const char *board, uint32_t khz) {
    const ei_clock_plan *plan = &b->plan;
    *g = (ei_governor){.bundle = b, .predicts = plan->bins > 1};
    if (plan->stages == 0 || !ei_clock_plan_is_for(plan, board)) {
        return EI_NO_ENTRY;
    }
    if (plan->stages != b->decisions.stage_count ||
        (g->predicts && plan->bins != b->predictor.bins)) {
        return EI_CORRUPT;
    }
    ei_governor_clock_is(g, khz);
    return EI_OK;
}

static uint32_t go(ei_governor *g, uint32_t clock) {
    g->clock = clock;
    return ei_clock_plan_khz(&g->bundle->plan, clock);
}

uint32_t ei_governor_first_khz(ei_governor *g, uint64_t age_ns) {
    return go(g, ei_clock_plan_first(&g->bundle->plan, g->clock, age_ns));
}

uint32_t ei_governor_next_khz(ei_governor *g, uint32_t stage, uint64_t age_ns) {
    const ei_bundle *b = g->bundle;
    if (stage == 0 && g->predicts) {
        g->bin = ei_predictor_bin(&b->predictor, ei_bundle_scores(b, 0), b->decisions.label_count);
    }
    if (stage == 0) { /* 0 ns in a plan that does not predict */
        age_ns += ei_clock_plan_overhead_ns(&b->plan, g->clock);
    }
    const uint32_t bin = g->predicts ? g->bin : 0;
    return go(g, ei_clock_plan_later(&b->plan, stage + 1, bin, g->clock, age_ns));
}

uint32_t ei_governor_idle_khz(ei_governor *g, uint64_t age_ns) {
    return go(g, ei_clock_plan_idle(&g->bundle->plan, g->clock, age_ns));
}

void ei_governor_clock_is(ei_governor *g, uint32_t khz) {
    g->clock = ei_clock_plan_index(&g->bundle->plan, khz, g->clock);
}
