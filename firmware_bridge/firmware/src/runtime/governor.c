#include "edge_infer/governor.h"

#include <string.h>

/* What is saved is no more than so many frames pay in: see runtime/governors/leaving.py. */
#define EINF_MOST_SAVED_FRAMES 10000

einf_status einf_governor_start(einf_governor *g, const einf_bundle *b, const char *board,
                                uint32_t khz) {
    const einf_clock_plan *plan = &b->plan;
    *g = (einf_governor){.bundle = b, .predicts = plan->bins > 1 && !plan->leaves};
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
    const uint32_t bin = g->predicts || b->plan.leaves ? g->bin : 0;
    const uint32_t clock = einf_clock_plan_later(&b->plan, stage + 1, bin, g->clock, age_ns);
    return go(g, clock % EINF_PLAN_LEAVES);
}

bool einf_governor_leaves(einf_governor *g, uint32_t stage, int32_t confidence, uint64_t age_ns) {
    const einf_clock_plan *plan = &g->bundle->plan;
    if (!plan->leaves) {
        return false;
    }
    g->bin = einf_clock_plan_bin(plan, stage, confidence);
    const uint32_t next = einf_clock_plan_later(plan, stage + 1, g->bin, g->clock, age_ns);
    g->forced = next >= EINF_PLAN_LEAVES && g->saved > 0;
    if (g->forced) {
        g->lost = einf_clock_plan_forced_loss(plan, stage, g->bin);
    }
    return g->forced;
}

void einf_governor_answered(einf_governor *g, uint32_t exit) {
    const einf_clock_plan *plan = &g->bundle->plan;
    if (!plan->leaves) {
        return;
    }
    const int64_t pays_in = einf_clock_plan_pays_in(plan);
    const int64_t most = EINF_MOST_SAVED_FRAMES * pays_in;
    g->saved += pays_in - (g->forced ? g->lost : einf_clock_plan_tuned_loss(plan, exit));
    g->saved = g->saved > most ? most : g->saved;
    g->forced = false;
}

uint32_t einf_governor_idle_khz(einf_governor *g, uint64_t age_ns) {
    return go(g, einf_clock_plan_idle(&g->bundle->plan, g->clock, age_ns));
}

void einf_governor_clock_is(einf_governor *g, uint32_t khz) {
    g->clock = einf_clock_plan_index(&g->bundle->plan, khz, g->clock);
}
