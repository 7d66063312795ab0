/**
 * @file
 * What several kernels do alike.
 */
#ifndef EINF_KERNEL_PARTS_H
#define EINF_KERNEL_PARTS_H

#include <string.h>

#include "edge_infer/kernels.h"

/** The bias of a channel: little endian, as the processors this is for, at any alignment. */
static inline int32_t einf_bias_of(const uint8_t *bias, int32_t channel) {
    int32_t value = 0;
    if (bias != NULL) {
        memcpy(&value, bias + 4 * channel, sizeof value);
    }
    return value;
}

/** A sum that wraps: models whose biases overflow are wrong in the same way everywhere. */
static inline int32_t einf_wrapping_add(int32_t a, int32_t b) {
    return (int32_t)((uint32_t)a + (uint32_t)b);
}

/** A sum of products, negated where the channel's weights count negated. */
static inline int32_t einf_signed_as(const uint8_t *negative, int32_t channel, int32_t acc) {
    return negative != NULL && negative[channel] ? -acc : acc;
}

/** An accumulator as an output value. */
static inline int8_t einf_requantize(int32_t acc, einf_scale scale, int32_t offset,
                                     einf_range range) {
    return (int8_t)einf_clamp(einf_wrapping_add(einf_rescale(acc, scale), offset), range.low,
                              range.high);
}

/** The taps [first, end) of a window axis that lie inside the map. */
typedef struct {
    int32_t first;
    int32_t end;
} einf_taps;

/** `start` is where tap 0 lies, which may be outside on either side. */
static inline einf_taps einf_taps_inside(int32_t start, int32_t step, int32_t count, int32_t size) {
    const int32_t first = start < 0 ? (-start + step - 1) / step : 0;
    const int32_t left = size - start;
    const int32_t fitting = left <= 0 ? 0 : (left + step - 1) / step;
    return (einf_taps){first, fitting < count ? fitting : count};
}

#endif
