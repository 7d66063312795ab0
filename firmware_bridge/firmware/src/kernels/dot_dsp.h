/**
 * @file
 * Dot products of int8 weights with widened inputs, two products an instruction.
 *
 * Inputs are widened once to 16 bits with their offset added, in the order in which SXTB16 takes
 * four bytes apart (0, 2, 1, 3), so that weights need no shuffling: the idea of CMSIS-NN
 * (Lai, Suda, Chandra, arXiv 1801.06601, section 4).
 */
#ifndef EINF_DOT_DSP_H
#define EINF_DOT_DSP_H

#include "kernels/kernel_parts.h"
#include "kernels/simd32.h"

/** Fours in a row of `count`, the last one filled up with zeros. */
static inline int32_t einf_fours(int32_t count) {
    return (count + 3) / 4;
}

/**
 * `count` inputs plus `offset` as 16-bit numbers: two words for each four, `step` words apart, so
 * that the inputs of two pixels can stand side by side.
 */
static inline void einf_widen(const int8_t *in, int32_t count, int32_t offset, uint32_t *wide,
                              int32_t step) {
    const uint32_t offsets = einf_pair_of_same(offset);
    int32_t left = count;
    for (; left >= 4; left -= 4, in += 4, wide += step) {
        const uint32_t word = einf_load_word(in);
        wide[0] = einf_add_pairs(einf_bytes_0_2(word), offsets);
        wide[1] = einf_add_pairs(einf_bytes_1_3(word), offsets);
    }
    if (left > 0) { /* what fills up may hold anything: its weights are 0 */
        const uint32_t word = einf_load_rest(in, left);
        wide[0] = einf_add_pairs(einf_bytes_0_2(word), offsets);
        wide[1] = einf_add_pairs(einf_bytes_1_3(word), offsets);
    }
}

/** Two rows of weights with one widened input. */
static inline void einf_dot_2x1(const int8_t *w0, const int8_t *w1, const uint32_t *in,
                                int32_t count, int32_t acc[2]) {
    int32_t a = 0, b = 0;
    uint32_t even, odd;
    for (const uint32_t *end = in + count / 4 * 2; in != end; w0 += 4, w1 += 4) {
        const uint32_t u = einf_load_word(w0), v = einf_load_word(w1);
        in = einf_load_pairs(in, &even, &odd);
        a = einf_add_products(einf_bytes_1_3(u), odd,
                              einf_add_products(einf_bytes_0_2(u), even, a));
        b = einf_add_products(einf_bytes_1_3(v), odd,
                              einf_add_products(einf_bytes_0_2(v), even, b));
    }
    if (count % 4) {
        const uint32_t u = einf_load_rest(w0, count % 4), v = einf_load_rest(w1, count % 4);
        einf_load_pairs(in, &even, &odd);
        a = einf_add_products(einf_bytes_1_3(u), odd,
                              einf_add_products(einf_bytes_0_2(u), even, a));
        b = einf_add_products(einf_bytes_1_3(v), odd,
                              einf_add_products(einf_bytes_0_2(v), even, b));
    }
    acc[0] = a;
    acc[1] = b;
}

/** Four products each of two words of weights with the inputs of two pixels. */
static inline const uint32_t *einf_multiply_2x2(uint32_t u, uint32_t v, const uint32_t *in,
                                                int32_t acc[4]) {
    const uint32_t u02 = einf_bytes_0_2(u), u13 = einf_bytes_1_3(u);
    const uint32_t v02 = einf_bytes_0_2(v), v13 = einf_bytes_1_3(v);
    uint32_t even, odd;
    in = einf_load_pairs(in, &even, &odd);
    acc[0] = einf_add_products(u13, odd, einf_add_products(u02, even, acc[0]));
    acc[2] = einf_add_products(v13, odd, einf_add_products(v02, even, acc[2]));
    in = einf_load_pairs(in, &even, &odd);
    acc[1] = einf_add_products(u13, odd, einf_add_products(u02, even, acc[1]));
    acc[3] = einf_add_products(v13, odd, einf_add_products(v02, even, acc[3]));
    return in;
}

/** Two rows of weights with two widened inputs: row 0 with both, then row 1 with both. */
static inline void einf_dot_2x2(const int8_t *w0, const int8_t *w1, const uint32_t *in,
                                int32_t count, int32_t acc[4]) {
    acc[0] = acc[1] = acc[2] = acc[3] = 0;
    for (const uint32_t *end = in + count / 4 * 4; in != end; w0 += 4, w1 += 4) {
        in = einf_multiply_2x2(einf_load_word(w0), einf_load_word(w1), in, acc);
    }
    if (count % 4) {
        einf_multiply_2x2(einf_load_rest(w0, count % 4), einf_load_rest(w1, count % 4), in, acc);
    }
}

#endif
