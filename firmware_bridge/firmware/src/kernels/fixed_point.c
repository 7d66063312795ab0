#include "edge_infer/fixed_point.h"

#include <string.h>

/* A double is mantissa / 2^53 * 2^exponent with mantissa in [2^52, 2^53): frexp without libm. */
einf_scale einf_scale_of(double real) {
    uint64_t bits;
    memcpy(&bits, &real, sizeof bits);
    const uint64_t exponent_field = bits >> 52 & 0x7FF;
    if (exponent_field == 0) { /* zero, or far below 2^-32 */
        return (einf_scale){0, 0};
    }
    const uint64_t mantissa = (bits & (((uint64_t)1 << 52) - 1)) | (uint64_t)1 << 52;
    uint64_t multiplier = (mantissa + ((uint64_t)1 << 21)) >> 22;
    int32_t shift = (int32_t)exponent_field - 1022;
    if (multiplier == (uint64_t)1 << 31) {
        multiplier >>= 1;
        shift += 1;
    }
    if (shift < -31) {
        return (einf_scale){0, 0};
    }
    return (einf_scale){(int32_t)multiplier, shift};
}
