/**
 * @file
 * Rescaling of int32 accumulators by a real factor, in integers.
 *
 * The arithmetic is that of TFLite's kernels (kernels/internal/common.h,
 * MultiplyByQuantizedMultiplier with two roundings; gemmlowp fixedpoint.h): a 31-bit mantissa, a
 * doubling high multiplication that rounds, a right shift that rounds halves away from zero.
 */
#ifndef EINF_FIXED_POINT_H
#define EINF_FIXED_POINT_H

#include <stdint.h>

/** A real factor: multiplier / 2^31 * 2^shift, multiplier in [2^30, 2^31) or 0. */
typedef struct {
    int32_t multiplier;
    int32_t shift; /**< At most 30. */
} einf_scale;

/**
 * The factor nearest to `real`, which is finite and not negative.
 *
 * Below 2^-32 it is 0, as in QuantizeMultiplier (kernels/internal/quantization_util.cc).
 */
einf_scale einf_scale_of(double real);

/** a * b / 2^31, rounded to nearest, halves up. Not for a == b == INT32_MIN. */
static inline int32_t einf_high_mul(int32_t a, int32_t b) {
    return (int32_t)(((int64_t)a * b + ((int64_t)1 << 30)) >> 31);
}

/** x / 2^exponent, rounded to nearest, halves away from zero; exponent in [0, 31]. */
static inline int32_t einf_shift_right(int32_t x, int32_t exponent) {
    const int32_t mask = (int32_t)(((uint32_t)1 << exponent) - 1);
    const int32_t threshold = (mask >> 1) + (x < 0);
    return (x >> exponent) + ((x & mask) > threshold);
}

/** x * 2^exponent, wrapping as the reference kernels do in practice. */
static inline int32_t einf_shift_left(int32_t x, int32_t exponent) {
    return (int32_t)((uint32_t)x << exponent);
}

/** x * factor. */
static inline int32_t einf_rescale(int32_t x, einf_scale factor) {
    if (factor.shift > 0) {
        return einf_high_mul(einf_shift_left(x, factor.shift), factor.multiplier);
    }
    return einf_shift_right(einf_high_mul(x, factor.multiplier), -factor.shift);
}

/** x limited to [low, high]. */
static inline int32_t einf_clamp(int32_t x, int32_t low, int32_t high) {
    const int32_t at_least = x < low ? low : x;
    return at_least > high ? high : at_least;
}

#endif
