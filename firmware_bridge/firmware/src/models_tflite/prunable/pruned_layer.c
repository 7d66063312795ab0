/* Scales, biases and signs of a layer at a ratio, bit for bit as models_tflite/prunable/layers.py
 * decodes them: additions, multiplications and roundings of doubles alone. */
#include <stddef.h>

#include "edge_infer/bytes.h"
#include "models_tflite/prunable/pruned_layer.h"

#define EINF_LAYER_BYTES 8U
#define EINF_NO_BIAS     0xFFFFU
#define EINF_SCALE_BITS  12U
#define EINF_BIAS_BITS   24U
#define EINF_POWER_STEP  32U
#define EINF_GROWTH      (1.0 + 1.0 / 128)
#define EINF_BIAS_STEP   0.25

static const einf_tensor *tensor_at(const einf_pruning *p, const uint8_t *number) {
    const uint32_t index = einf_u16(number);
    return index < p->model->tensor_count ? &p->model->tensors[index] : NULL;
}

/* How many scales of the weights stay; 0 where weights or scales are none. */
static uint32_t scales_kept(const einf_tensor *w) {
    if (w == NULL || w->data == NULL || w->type != EINF_TYPE_INT8 || w->scales.length == 0) {
        return 0;
    }
    if (w->scales.length == 1) {
        return 1;
    }
    const int32_t d = w->channel_dim;
    const bool fits = d >= 0 && d < w->rank && (uint32_t)w->stored[d] == w->scales.length;
    return fits ? (uint32_t)w->dims[d] : 0;
}

static bool fitting_bias(const einf_tensor *bias, uint32_t scales) {
    return bias != NULL && bias->data != NULL && bias->type == EINF_TYPE_INT32 && bias->rank == 1 &&
           (scales == 1 || (uint32_t)bias->elements == scales);
}

einf_status einf_pruned_layer_read(einf_pruned_layer *l, const einf_pruning *p, uint32_t index,
                                   uint32_t at[EINF_LAYER_CODE_KINDS]) {
    const uint8_t *record = p->layers + EINF_LAYER_BYTES * index, *widths = p->widths + 3 * index;
    const einf_tensor *source = tensor_at(p, record + 4), *output = tensor_at(p, record + 6);
    const bool biased = einf_u16(record + 2) != EINF_NO_BIAS;
    *l = (einf_pruned_layer){
        .pruning = p,
        .weights = tensor_at(p, record),
        .bias = biased ? tensor_at(p, record + 2) : NULL,
        .base = (double)einf_f32(p->bases + 4 * index),
        .floor = (int32_t)einf_u32(p->floors + 4 * index),
        .widths = {widths[EINF_LAYER_CODE_SCALE], widths[EINF_LAYER_CODE_BIAS],
                   widths[EINF_LAYER_CODE_SIGN]},
    };
    const uint32_t scales = scales_kept(l->weights);
    if (scales == 0 || (biased && !fitting_bias(l->bias, scales)) || source == NULL ||
        output == NULL || source->scales.length != 1 || output->scales.length != 1 ||
        l->widths[EINF_LAYER_CODE_SCALE] > EINF_SCALE_BITS ||
        l->widths[EINF_LAYER_CODE_BIAS] > EINF_BIAS_BITS || l->widths[EINF_LAYER_CODE_SIGN] > 1 ||
        !(l->base > 0 && l->base < 1e30)) {
        return EINF_CORRUPT;
    }
    l->source = source->scale;
    l->output = output->scale;
    l->counts[EINF_LAYER_CODE_SCALE] = l->counts[EINF_LAYER_CODE_SIGN] = scales;
    l->counts[EINF_LAYER_CODE_BIAS] = biased ? (uint32_t)l->bias->elements : 0;
    for (uint32_t kind = 0; kind < EINF_LAYER_CODE_KINDS; kind++) {
        l->at[kind] = at[kind];
        at[kind] += l->counts[kind] * l->widths[kind];
    }
    return EINF_OK;
}

bool einf_pruned_layer_of(einf_pruned_layer *l, const einf_pruning *p, const einf_tensor *weights) {
    uint32_t at[EINF_LAYER_CODE_KINDS];
    memcpy(at, p->first_bit, sizeof at);
    for (uint32_t i = 0; i < p->layer_count; i++) {
        if (einf_pruned_layer_read(l, p, i, at) == EINF_OK && l->weights == weights) {
            return true;
        }
    }
    return false;
}

/* A code; 0 of a layer that has none of its kind. */
static uint32_t code_of(const einf_pruned_layer *l, uint32_t kind, uint32_t index) {
    const uint32_t first = l->at[kind] + index * l->widths[kind];
    uint32_t code = 0;
    for (uint32_t bit = first; bit < first + l->widths[kind]; bit++) {
        code = code << 1 | ((uint32_t)l->pruning->bits[bit / 8] >> (7 - bit % 8) & 1U);
    }
    return code;
}

double *einf_pruned_powers(einf_arena *arena) {
    const uint32_t count = (1U << EINF_SCALE_BITS) / EINF_POWER_STEP;
    double *powers = einf_arena_borrow(arena, count * (uint32_t)sizeof *powers);
    double power = 1;
    for (uint32_t i = 0; powers != NULL && i < count; i++) {
        powers[i] = power;
        for (uint32_t step = 0; step < EINF_POWER_STEP; step++) {
            power *= EINF_GROWTH;
        }
    }
    return powers;
}

float einf_pruned_scale(const einf_pruned_layer *l, uint32_t channel) {
    const uint32_t code = code_of(l, EINF_LAYER_CODE_SCALE, channel);
    double power = l->pruning->powers[code / EINF_POWER_STEP];
    for (uint32_t step = 0; step < code % EINF_POWER_STEP; step++) {
        power *= EINF_GROWTH;
    }
    const double scale = (double)einf_fb_float_at(&l->weights->scales, channel) * (l->base * power);
    return scale > 1e-38 && scale < 1e30 ? (float)scale : 0.0F;
}

/* To the nearest integer, halves to the even one; |x| < 2^31. Larger numbers have no fraction. */
static double rounded(double x) {
    const volatile double shifted = x + 6755399441055744.0; /* 1.5 * 2^52 */
    return shifted - 6755399441055744.0;
}

bool einf_pruned_bias(const einf_pruned_layer *l, uint32_t channel, float scale, int32_t *bias) {
    const double product = (double)l->source * (double)scale;
    const double unit = EINF_BIAS_STEP * (double)l->output / product;
    const double value =
        (double)(l->floor + (int64_t)code_of(l, EINF_LAYER_CODE_BIAS, channel)) * unit;
    if (!(unit < 1e300)) {
        return false;
    }
    *bias = value >= INT32_MAX   ? INT32_MAX
            : value <= INT32_MIN ? INT32_MIN
                                 : (int32_t)rounded(value);
    return true;
}

bool einf_pruned_negative(const einf_pruned_layer *l, uint32_t channel) {
    return code_of(l, EINF_LAYER_CODE_SIGN, l->counts[EINF_LAYER_CODE_SIGN] > 1 ? channel : 0) != 0;
}
