/*
 * Softmax in fixed point, as kernels/internal/reference/softmax.h does it with gemmlowp's
 * exponential and reciprocal (fixedpoint.h). Qm.n below is a signed number with m integer bits.
 */
#include "kernels/kernel_parts.h"

#define EINF_DIFF_INTEGER_BITS 5 /* differences are Q5.26 */
#define EINF_SUM_INTEGER_BITS  12

/* exp(x) as Q0.31 for x in [-1/4, 0] as Q0.31: Taylor around -1/8, to the fourth power. */
static int32_t exp_near_zero(int32_t x) {
    const int32_t exp_minus_eighth = 1895147668; /* exp(-1/8) */
    const int32_t third = 715827883;             /* 1/3 */
    const int32_t u = x + (1 << 28);
    const int32_t u2 = einf_high_mul(u, u);
    const int32_t u3 = einf_high_mul(u2, u);
    const int32_t u4 = einf_high_mul(u2, u2);
    const int32_t u4_4 = einf_shift_right(u4, 2);
    const int32_t tail = einf_shift_right(einf_high_mul(u4_4 + u3, third) + u2, 1);
    return exp_minus_eighth + einf_high_mul(exp_minus_eighth, u + tail);
}

/* exp(x) as Q0.31 for x <= 0 as Q5.26: a quarter's remainder, then a factor for each set bit. */
static int32_t exp_negative(int32_t x) {
    /* exp(-1/4), exp(-1/2), exp(-1), ... exp(-16) as Q0.31 */
    static const int32_t factors[] = {1672461947, 1302514674, 790015084, 290630308,
                                      39332535,   720401,     242};
    const int32_t quarter = 1 << 24;
    if (x == 0) {
        return INT32_MAX;
    }
    const int32_t remainder = (x & (quarter - 1)) - quarter; /* in [-1/4, 0) */
    int32_t result = exp_near_zero(einf_shift_left(remainder, EINF_DIFF_INTEGER_BITS));
    const int32_t whole = remainder - x;
    for (int32_t bit = 0; bit < 7; bit++) {
        if (whole & (quarter << bit)) {
            result = einf_high_mul(result, factors[bit]);
        }
    }
    return result;
}

static int32_t saturated_times_4(int32_t x) {
    const int32_t limit = 1 << 29;
    return x >= limit ? INT32_MAX : x < -limit ? INT32_MIN : einf_shift_left(x, 2);
}

/* (a + b) / 2, halves away from zero. */
static int32_t half_sum(int32_t a, int32_t b) {
    const int64_t sum = (int64_t)a + b;
    return (int32_t)((sum + (sum >= 0 ? 1 : -1)) / 2);
}

/* 1 / (1 + x) as Q0.31 for x in [0, 1) as Q0.31: three Newton steps, in Q2.29. */
static int32_t one_over_one_plus(int32_t x) {
    const int32_t constant_48_17 = 1515870810;
    const int32_t constant_minus_32_17 = -1010580540;
    const int32_t half = half_sum(x, INT32_MAX);
    int32_t y = constant_48_17 + einf_high_mul(half, constant_minus_32_17);
    for (int32_t i = 0; i < 3; i++) {
        const int32_t error = (1 << 29) - einf_high_mul(half, y);
        y += saturated_times_4(einf_high_mul(y, error));
    }
    return y >= 1 << 30 ? INT32_MAX : y < -(1 << 30) ? INT32_MIN : einf_shift_left(y, 1);
}

static int32_t leading_zeros(uint32_t x) {
    int32_t count = 0;
    for (; count < 32 && !(x & 0x80000000U); x <<= 1) {
        count++;
    }
    return count;
}

static int32_t power(const einf_softmax *s, int32_t diff) {
    return exp_negative(einf_high_mul(einf_shift_left(diff, s->shift), s->multiplier));
}

static void row_of(const einf_softmax *s, const int8_t *in, int8_t *out) {
    int32_t top = INT8_MIN;
    for (int32_t i = 0; i < s->classes; i++) {
        top = in[i] > top ? in[i] : top;
    }
    int32_t sum = 0; /* Q12.19 */
    for (int32_t i = 0; i < s->classes; i++) {
        if (in[i] - top >= s->diff_min) {
            sum += einf_shift_right(power(s, in[i] - top), EINF_SUM_INTEGER_BITS);
        }
    }
    const int32_t headroom = leading_zeros((uint32_t)sum);
    const uint32_t fraction = ((uint32_t)sum << headroom) - 0x80000000U;
    const int32_t scale = one_over_one_plus((int32_t)fraction);
    const int32_t bits = EINF_SUM_INTEGER_BITS - headroom + 31 - 8;
    for (int32_t i = 0; i < s->classes; i++) {
        int32_t value = INT8_MIN;
        if (in[i] - top >= s->diff_min) {
            value += einf_shift_right(einf_high_mul(scale, power(s, in[i] - top)), bits);
        }
        out[i] = (int8_t)einf_clamp(value, INT8_MIN, INT8_MAX);
    }
}

void einf_softmax_of(const einf_softmax *s, const int8_t *in, int8_t *out) {
    for (int32_t row = 0; row < s->rows; row++) {
        row_of(s, in + row * s->classes, out + row * s->classes);
    }
}
