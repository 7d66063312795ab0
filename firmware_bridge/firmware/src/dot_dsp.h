/**
 * @file
 * Dot products of int8 weights with widened inputs, two products an instruction.
 *
 * Inputs are widened once to 16 bits with their offset added, in the order in which SXTB16 takes
 * four bytes apart (0, 2, 1, 3), so that weights need no shuffling: the idea of CMSIS-NN
 * (Lai, Suda, Chandra, arXiv 1801.06601, section 4).
 */
#ifndef EDGE_INFER_DOT_DSP_H
#define EDGE_INFER_DOT_DSP_H

#include "kernel_parts.h"
#include "simd32.h"

/** `count` inputs plus `offset` as 16-bit numbers, each whole four reordered. */
static inline void widen(const int8_t *in, int32_t count, int32_t offset, int16_t *wide) {
    const uint32_t offsets = pair_of_same(offset);
    int32_t i = 0;
    for (; i + 4 <= count; i += 4) {
        const uint32_t word = load_word(in + i);
        store_word(wide + i, add_pairs(bytes_0_2(word), offsets));
        store_word(wide + i + 2, add_pairs(bytes_1_3(word), offsets));
    }
    for (; i < count; i++) {
        wide[i] = (int16_t)(in[i] + offset);
    }
}

/** Two rows of weights with one widened input. */
static inline void dot_2x1(const int8_t *weights, int32_t stride, const int16_t *in, int32_t count,
                           int32_t acc[2]) {
    const int8_t *w0 = weights, *w1 = weights + stride;
    int32_t a = acc[0], b = acc[1];
    int32_t left = count;
    for (; left >= 4; left -= 4, w0 += 4, w1 += 4, in += 4) {
        const uint32_t x02 = load_word(in), x13 = load_word(in + 2);
        const uint32_t u = load_word(w0), v = load_word(w1);
        a = add_products(bytes_0_2(u), x02, a);
        a = add_products(bytes_1_3(u), x13, a);
        b = add_products(bytes_0_2(v), x02, b);
        b = add_products(bytes_1_3(v), x13, b);
    }
    for (; left > 0; left--, w0++, w1++, in++) {
        a += *w0 * *in;
        b += *w1 * *in;
    }
    acc[0] = a;
    acc[1] = b;
}

/** Two rows of weights with two widened inputs: row 0 with both, then row 1 with both. */
static inline void dot_2x2(const int8_t *weights, int32_t stride, const int16_t *in,
                           int32_t in_stride, int32_t count, int32_t acc[4]) {
    const int8_t *w0 = weights, *w1 = weights + stride;
    const int16_t *x0 = in, *x1 = in + in_stride;
    int32_t a = acc[0], b = acc[1], c = acc[2], d = acc[3];
    int32_t left = count;
    for (; left >= 4; left -= 4, w0 += 4, w1 += 4, x0 += 4, x1 += 4) {
        const uint32_t u = load_word(w0), v = load_word(w1);
        const uint32_t u02 = bytes_0_2(u), u13 = bytes_1_3(u);
        const uint32_t v02 = bytes_0_2(v), v13 = bytes_1_3(v);
        uint32_t even = load_word(x0), odd = load_word(x0 + 2);
        a = add_products(u02, even, a);
        a = add_products(u13, odd, a);
        c = add_products(v02, even, c);
        c = add_products(v13, odd, c);
        even = load_word(x1);
        odd = load_word(x1 + 2);
        b = add_products(u02, even, b);
        b = add_products(u13, odd, b);
        d = add_products(v02, even, d);
        d = add_products(v13, odd, d);
    }
    for (; left > 0; left--, w0++, w1++, x0++, x1++) {
        a += *w0 * *x0;
        b += *w0 * *x1;
        c += *w1 * *x0;
        d += *w1 * *x1;
    }
    acc[0] = a;
    acc[1] = b;
    acc[2] = c;
    acc[3] = d;
}

#endif
