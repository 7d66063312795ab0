#include "edge_infer/real.h"

#include <stdint.h>
#include <string.h>

#define EINF_EXP_LEAST     (-700.0)
#define EINF_EXP_MOST      700.0
#define EINF_EXPONENT_BITS 52
#define EINF_EXPONENT_BIAS 1023
#define EINF_LOG2_E        1.4426950408889634
#define EINF_LN2_HIGH      0x1.62e42feep-1 /* ln 2 in two parts: multiples of the first are exact */
#define EINF_LN2_LOW       0x1.a39ef35793c76p-33
#define EINF_SQRT_2        1.4142135623730951
#define EINF_TERMS         14 /* of the series below: what follows is under 1e-17 */
#define EINF_LN_TERMS      11

static uint64_t bits_of(double x) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static double from_bits(uint64_t bits) {
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* x = k ln 2 + r; e^r by its Taylor series for r within half of ln 2, then times 2^k. */
double einf_exp(double x) {
    static const double factors[EINF_TERMS] = {
        1.,
        1.,
        1. / 2,
        1. / 6,
        1. / 24,
        1. / 120,
        1. / 720,
        1. / 5040,
        1. / 40320,
        1. / 362880,
        1. / 3628800.,
        1. / 39916800,
        1. / 479001600,
        1. / 6227020800.,
    };
    if (!(x > EINF_EXP_LEAST)) { /* nor a number */
        return 0;
    }
    x = x < EINF_EXP_MOST ? x : EINF_EXP_MOST;
    const double turns = x * EINF_LOG2_E;
    const int32_t k = (int32_t)(turns < 0 ? turns - 0.5 : turns + 0.5);
    const double r = x - k * EINF_LN2_HIGH - k * EINF_LN2_LOW;
    double sum = factors[EINF_TERMS - 1];
    for (uint32_t i = EINF_TERMS - 1; i > 0; i--) {
        sum = sum * r + factors[i - 1];
    }
    return sum * from_bits((uint64_t)(EINF_EXPONENT_BIAS + k) << EINF_EXPONENT_BITS);
}

/* x = 2^k m, m within a factor of sqrt 2 around 1; log m = 2 artanh((m - 1) / (m + 1)). */
double einf_log(double x) {
    static const double odd_parts[EINF_LN_TERMS] = {
        1., 1. / 3, 1. / 5, 1. / 7, 1. / 9, 1. / 11, 1. / 13, 1. / 15, 1. / 17, 1. / 19, 1. / 21,
    };
    const uint64_t bits = bits_of(x), fraction = (1ULL << EINF_EXPONENT_BITS) - 1;
    int32_t k = (int32_t)(bits >> EINF_EXPONENT_BITS) - EINF_EXPONENT_BIAS;
    double m = from_bits((bits & fraction) | (uint64_t)EINF_EXPONENT_BIAS << EINF_EXPONENT_BITS);
    if (m > EINF_SQRT_2) {
        m *= 0.5;
        k++;
    }
    const double s = (m - 1) / (m + 1), square = s * s;
    double sum = odd_parts[EINF_LN_TERMS - 1];
    for (uint32_t i = EINF_LN_TERMS - 1; i > 0; i--) {
        sum = sum * square + odd_parts[i - 1];
    }
    return k * EINF_LN2_HIGH + (2 * s * sum + k * EINF_LN2_LOW);
}
