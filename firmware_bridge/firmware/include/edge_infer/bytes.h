/**
 * @file
 * Little-endian numbers in byte strings, at any alignment.
 */
#ifndef EINF_BYTES_H
#define EINF_BYTES_H

#include <stdint.h>
#include <string.h>

static inline uint32_t einf_u16(const uint8_t *at) {
    return at[0] | (uint32_t)at[1] << 8;
}

static inline uint32_t einf_u32(const uint8_t *at) {
    return einf_u16(at) | einf_u16(at + 2) << 16;
}

static inline uint64_t einf_u64(const uint8_t *at) {
    return einf_u32(at) | (uint64_t)einf_u32(at + 4) << 32;
}

/** IEEE 754, 32 bits. */
static inline float einf_f32(const uint8_t *at) {
    const uint32_t bits = einf_u32(at);
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/** IEEE 754, 64 bits. */
static inline double einf_f64(const uint8_t *at) {
    const uint64_t bits = einf_u64(at);
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/** True when `bytes` from `at` on lie inside `size`. */
static inline int einf_fits(uint32_t at, uint32_t bytes, uint32_t size) {
    return at <= size && bytes <= size - at;
}

#endif
