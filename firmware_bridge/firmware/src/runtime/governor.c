#include "edge_infer/governor.h"

#include <string.h>

einf_status einf_governor_start(einf_governor *g, const einf_bundle *b, const char *board,
                                uint32_t khz) {
    const einf_clock_plan *plan = &b->plan;
    *g = (einf_governor){.bundle = b, .predicts = plan->bins > 1};
    if (plan->stages == 0 || !einf_clock_plan_is_for(plan, board)) {
        return EINF_NO_ENTRY;
    }
    if (plan->stages != b->decisions.stage_count ||
        (g->predicts && plan->bins != b->predictor.bins)) {
        return EINF_CORRUPT;
    }
    einf_governor_clock_is(g, khz);
    return EINF_OK;
}

static uint32_t go(einf_governor *g, uint32_t clock) {
    g->clock = clock;
    return einf_clock_plan_khz(&g->bundle->plan, clock);
}

uint32_t einf_governor_first_khz(einf_governor *g, uint64_t age_ns) {
    return go(g, einf_clock_plan_first(&g->bundle->plan, g->clock, age_ns));
}

uint32_t einf_governor_next_khz(einf_governor *g, uint32_t stage, uint64_t age_ns) {
    const einf_bundle *b = g->bundle;
    if (stage == 0 && g->predicts) {
        g->bin =
            einf_predictor_bin(&b->predictor, einf_bundle_scores(b, 0), b->decisions.label_count);
    }
    if (stage == 0) { /* 0 ns in a plan that does not predict */
        age_ns += einf_clock_plan_overhead_ns(&b->plan, g->clock);
    }
    const uint32_t bin = g->predicts ? g->bin : 0;
    return go(g, einf_clock_plan_later(&b->plan, stage + 1, bin, g->clock, age_ns));
}

uint32_t einf_governor_idle_khz(einf_governor *g, uint64_t age_ns) {
    return go(g, einf_clock_plan_idle(&g->bundle->plan, g->clock, age_ns));
}

void einf_governor_clock_is(einf_governor *g, uint32_t khz) {
    g->clock = einf_clock_plan_index(&g->bundle->plan, khz, g->clock);
}
