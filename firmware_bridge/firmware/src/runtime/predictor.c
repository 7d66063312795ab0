#include "edge_infer/predictor.h"

#include <stdbool.h>
#include <string.h>

#include "edge_infer/bytes.h"
#include "edge_infer/ratio.h"
#include "edge_infer/real.h"

#define EINF_PREDICTOR_VERSION 1U
#define EINF_HEADER_BYTES      24U
#define EINF_OTHER_FEATURES    2U /* the mean, the entropy */
#define EINF_LEAST_EXPONENT    (-12.0)
#define EINF_MOST_LOGIT        50.0
#define EINF_NO_SCORE          (-129)
#define EINF_DISTANCE_BITS     8U /* between two int8 */

static uint32_t row_numbers(const einf_predictor *p) {
    return 1 + p->ranks + EINF_OTHER_FEATURES;
}

static bool place(einf_predictor *p, const uint8_t *table, uint32_t size) {
    const uint32_t factors = (p->exits - 1) * row_numbers(p), edges = p->bins - 1;
    p->factors = table + EINF_HEADER_BYTES;
    p->edges = p->factors + 8 * factors;
    p->probabilities = p->edges + 8 * edges;
    return EINF_HEADER_BYTES + 8 * (factors + edges + p->bins * p->exits) == size;
}

einf_status einf_predictor_open(einf_predictor *p, const uint8_t *table, uint32_t size) {
    einf_predictor found;
    memset(p, 0, sizeof *p);
    if (size < EINF_HEADER_BYTES) {
        return EINF_TRUNCATED;
    }
    if (memcmp(table, "EIPR", 4) != 0) {
        return EINF_CORRUPT;
    }
    if (table[4] != EINF_PREDICTOR_VERSION || einf_u32(table + 12) != EINF_FULL_WIDTH ||
        table[6] > EINF_MAX_RANKS) {
        return EINF_UNSUPPORTED;
    }
    found.exits = table[5];
    found.ranks = table[6];
    found.bins = table[7];
    found.scale = einf_f64(table + 16);
    if (einf_u32(table + 8) != size || found.exits == 0 || found.bins == 0 || !(found.scale > 0) ||
        !place(&found, table, size)) {
        return EINF_CORRUPT;
    }
    *p = found;
    return EINF_OK;
}

/* The highest scores in order, one more than there are ranks; the lowest fill what is left. */
static void sort_highest(const int8_t *scores, uint32_t count, uint32_t wanted, int32_t *sorted) {
    for (uint32_t i = 0; i < wanted; i++) {
        sorted[i] = EINF_NO_SCORE;
    }
    for (uint32_t i = 0; i < count; i++) {
        int32_t score = scores[i];
        for (uint32_t rank = 0; rank < wanted; rank++) {
            if (score > sorted[rank]) {
                const int32_t lower = sorted[rank];
                sorted[rank] = score;
                score = lower;
            }
        }
    }
    for (uint32_t i = 1; i < wanted; i++) {
        sorted[i] = sorted[i] == EINF_NO_SCORE ? sorted[i - 1] : sorted[i];
    }
}

/* e^(-distance * scale) by the binary digits of the distance: one exp for all scores. */
static double weight_of(const double powers[EINF_DISTANCE_BITS], uint32_t distance) {
    double weight = 1;
    for (uint32_t bit = 0; distance >> bit; bit++) {
        if (distance >> bit & 1U) {
            weight *= powers[bit];
        }
    }
    return weight;
}

/* The entropy of the softmax in nats; scores too low to matter are left out, as on the host. */
static double entropy(const int8_t *scores, uint32_t count, int32_t top, double scale) {
    double total = 0, moment = 0, powers[EINF_DISTANCE_BITS];
    powers[0] = einf_exp(-scale);
    for (uint32_t bit = 1; bit < EINF_DISTANCE_BITS; bit++) {
        powers[bit] = powers[bit - 1] * powers[bit - 1];
    }
    for (uint32_t i = 0; i < count; i++) {
        const double exponent = (scores[i] - top) * scale;
        if (exponent >= EINF_LEAST_EXPONENT) {
            const double weight = weight_of(powers, (uint32_t)(top - scores[i]));
            total += weight;
            moment += weight * exponent;
        }
    }
    return einf_log(total) - moment / total;
}

static void find_features(const einf_predictor *p, const int8_t *scores, uint32_t count,
                          double *features) {
    int32_t sorted[EINF_MAX_RANKS + 1], sum = 0;
    sort_highest(scores, count, p->ranks + 1, sorted);
    for (uint32_t rank = 1; rank <= p->ranks; rank++) {
        features[rank - 1] = (sorted[0] - sorted[rank]) * p->scale;
    }
    for (uint32_t i = 0; i < count; i++) {
        sum += scores[i];
    }
    features[p->ranks] = (sorted[0] - sum / (double)count) * p->scale;
    features[p->ranks + 1] = entropy(scores, count, sorted[0], p->scale);
}

/* The mean later exit; 0 for the next one. */
static double expected_exit(const einf_predictor *p, const double *features) {
    double total = 1, moment = 0;
    for (uint32_t exit = 1; exit < p->exits; exit++) {
        const uint8_t *row = p->factors + 8 * (exit - 1) * row_numbers(p);
        double logit = einf_f64(row);
        for (uint32_t i = 1; i < row_numbers(p); i++) {
            logit += einf_f64(row + 8 * i) * features[i - 1];
        }
        const double weight = einf_exp(logit < EINF_MOST_LOGIT ? logit : EINF_MOST_LOGIT);
        total += weight;
        moment += exit * weight;
    }
    return moment / total;
}

uint32_t einf_predictor_bin(const einf_predictor *p, const int8_t *scores, uint32_t count) {
    double features[EINF_MAX_RANKS + EINF_OTHER_FEATURES];
    uint32_t bin = 0;
    if (p->bins < 2) {
        return 0;
    }
    find_features(p, scores, count, features);
    const double expected = expected_exit(p, features);
    while (bin + 1 < p->bins && expected >= einf_f64(p->edges + 8 * bin)) {
        bin++;
    }
    return bin;
}
