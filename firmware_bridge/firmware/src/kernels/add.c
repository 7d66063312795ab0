#include "kernels/kernel_parts.h"

/* Bits that keep the inputs' precision through rescaling (kernels/add.cc, left_shift). */
#define EINF_HEADROOM_BITS 20

/* A factor below 1 by itself: MultiplyByQuantizedMultiplierSmallerThanOneExp. */
static int32_t scaled(int32_t x, einf_scale scale) {
    return einf_shift_right(einf_high_mul(x, scale.multiplier), -scale.shift);
}

static int8_t add(const einf_add *a, int8_t left, int8_t right) {
    const int32_t x = scaled((left + a->offsets[0]) * (1 << EINF_HEADROOM_BITS), a->scales[0]);
    const int32_t y = scaled((right + a->offsets[1]) * (1 << EINF_HEADROOM_BITS), a->scales[1]);
    const int32_t sum = scaled(x + y, a->output_scale) + a->output_offset;
    return (int8_t)einf_clamp(sum, a->range.low, a->range.high);
}

static void add_repeated(const einf_add *a, const int8_t *left, const int8_t *right, int8_t *out) {
    const int32_t *n = a->dims, *s = a->strides[0], *t = a->strides[1];
    for (int32_t i = 0; i < n[0]; i++) {
        for (int32_t j = 0; j < n[1]; j++) {
            for (int32_t k = 0; k < n[2]; k++) {
                const int8_t *x = left + i * s[0] + j * s[1] + k * s[2];
                const int8_t *y = right + i * t[0] + j * t[1] + k * t[2];
                for (int32_t l = 0; l < n[3]; l++) {
                    *out++ = add(a, x[l * s[3]], y[l * t[3]]);
                }
            }
        }
    }
}

void einf_add_of(const einf_add *a, const int8_t *left, const int8_t *right, int8_t *out) {
    if (!a->same_shape) {
        add_repeated(a, left, right, out);
        return;
    }
    const int32_t count = a->dims[0] * a->dims[1] * a->dims[2] * a->dims[3];
    for (int32_t i = 0; i < count; i++) {
        out[i] = add(a, left[i], right[i]);
    }
}
