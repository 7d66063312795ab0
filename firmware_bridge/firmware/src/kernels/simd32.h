/**
 * @file
 * The Armv7E-M DSP instructions that the kernels use, and what they do elsewhere.
 *
 * Names as in the Arm C Language Extensions (ACLE), section "32-bit SIMD intrinsics". The plain C
 * versions let the DSP kernels be tested bit by bit on any computer.
 */
#ifndef EINF_SIMD32_H
#define EINF_SIMD32_H

#include <stdint.h>
#include <string.h>

/** Four bytes as a word; any alignment. */
static inline uint32_t einf_load_word(const void *from) {
    uint32_t word;
    memcpy(&word, from, sizeof word);
    return word;
}

/** The last bytes of a row as a word, filled up with zeros. */
static inline uint32_t einf_load_rest(const void *from, int32_t bytes) {
    uint32_t word = 0;
    memcpy(&word, from, (size_t)bytes);
    return word;
}

#if defined(__ARM_FEATURE_SIMD32)

/*
 * Inline assembly, since GCC 12's arm_acle.h intrinsics are opaque to its combiner: it does not
 * fold the rotation into SXTB16.
 */
static inline uint32_t einf_bytes_0_2(uint32_t word) {
    uint32_t pair;
    __asm__("sxtb16 %0, %1" : "=r"(pair) : "r"(word));
    return pair;
}

static inline uint32_t einf_bytes_1_3(uint32_t word) {
    uint32_t pair;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(pair) : "r"(word));
    return pair;
}

static inline uint32_t einf_add_pairs(uint32_t a, uint32_t b) {
    uint32_t pair;
    __asm__("sadd16 %0, %1, %2" : "=r"(pair) : "r"(a), "r"(b));
    return pair;
}

static inline int32_t einf_add_products(uint32_t a, uint32_t b, int32_t acc) {
    __asm__("smlad %0, %1, %2, %0" : "+r"(acc) : "r"(a), "r"(b));
    return acc;
}

static inline int32_t einf_add_low_product(uint32_t a, uint32_t b, int32_t acc) {
    __asm__("smlabb %0, %1, %2, %0" : "+r"(acc) : "r"(a), "r"(b));
    return acc;
}

static inline int32_t einf_add_high_product(uint32_t a, uint32_t b, int32_t acc) {
    __asm__("smlatt %0, %1, %2, %0" : "+r"(acc) : "r"(a), "r"(b));
    return acc;
}

/** Two words and the pointer moved on; `from` is word aligned. */
static inline const uint32_t *einf_load_pairs(const uint32_t *from, uint32_t *even, uint32_t *odd) {
    __asm__("ldrd %0, %1, [%2], #8"
            : "=&r"(*even), "=&r"(*odd), "+r"(from)
            : "m"(*(const uint32_t(*)[2])from));
    return from;
}

#else

static inline const uint32_t *einf_load_pairs(const uint32_t *from, uint32_t *even, uint32_t *odd) {
    *even = from[0];
    *odd = from[1];
    return from + 2;
}

static inline int32_t einf_low_half(uint32_t pair) {
    return (int16_t)(uint16_t)(pair & 0xFFFF);
}

static inline int32_t einf_high_half(uint32_t pair) {
    return (int16_t)(uint16_t)(pair >> 16);
}

static inline uint32_t einf_pair_of(int32_t low, int32_t high) {
    return ((uint32_t)low & 0xFFFF) | (uint32_t)high << 16;
}

static inline int32_t einf_byte_of(uint32_t word, int32_t index) {
    return (int8_t)(uint8_t)(word >> (8 * index) & 0xFF);
}

/** SXTB16: bytes 0 and 2, sign extended, as a pair of 16-bit numbers. */
static inline uint32_t einf_bytes_0_2(uint32_t word) {
    return einf_pair_of(einf_byte_of(word, 0), einf_byte_of(word, 2));
}

/** SXTB16 with rotation: bytes 1 and 3. */
static inline uint32_t einf_bytes_1_3(uint32_t word) {
    return einf_pair_of(einf_byte_of(word, 1), einf_byte_of(word, 3));
}

/** SADD16: both halves added. */
static inline uint32_t einf_add_pairs(uint32_t a, uint32_t b) {
    return einf_pair_of(einf_low_half(a) + einf_low_half(b), einf_high_half(a) + einf_high_half(b));
}

/** SMLAD: acc + low * low + high * high. */
static inline int32_t einf_add_products(uint32_t a, uint32_t b, int32_t acc) {
    return acc + einf_low_half(a) * einf_low_half(b) + einf_high_half(a) * einf_high_half(b);
}

/** SMLABB: acc + low * low. */
static inline int32_t einf_add_low_product(uint32_t a, uint32_t b, int32_t acc) {
    return acc + einf_low_half(a) * einf_low_half(b);
}

/** SMLATT: acc + high * high. */
static inline int32_t einf_add_high_product(uint32_t a, uint32_t b, int32_t acc) {
    return acc + einf_high_half(a) * einf_high_half(b);
}

#endif

/** Both halves the same. */
static inline uint32_t einf_pair_of_same(int32_t value) {
    return ((uint32_t)value & 0xFFFF) * 0x00010001U;
}

#endif
