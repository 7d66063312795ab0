#include "field25519.h"

#include <string.h>

#define WORDS    8U
#define OVERFLOW 38U /* 2^256 modulo p */

/* Add a small number, as often as it overflows. */
static void add_small(field *a, uint64_t carry) {
    while (carry != 0) {
        for (uint32_t i = 0; i < WORDS; i++) {
            carry += a->word[i];
            a->word[i] = (uint32_t)carry;
            carry >>= 32;
        }
        carry *= OVERFLOW;
    }
}

void field_add(field *sum, const field *a, const field *b) {
    uint64_t carry = 0;
    for (uint32_t i = 0; i < WORDS; i++) {
        carry += (uint64_t)a->word[i] + b->word[i];
        sum->word[i] = (uint32_t)carry;
        carry >>= 32;
    }
    add_small(sum, carry * OVERFLOW);
}

void field_sub(field *difference, const field *a, const field *b) {
    uint32_t borrow = 0;
    for (uint32_t i = 0; i < WORDS; i++) {
        const uint64_t step = (uint64_t)a->word[i] - b->word[i] - borrow;
        difference->word[i] = (uint32_t)step;
        borrow = (uint32_t)(step >> 63);
    }
    while (borrow != 0) { /* 2^256 was borrowed, which is 38 too many */
        uint32_t less = OVERFLOW;
        for (uint32_t i = 0; i < WORDS; i++) {
            const uint64_t step = (uint64_t)difference->word[i] - less;
            difference->word[i] = (uint32_t)step;
            less = (uint32_t)(step >> 63);
        }
        borrow = less;
    }
}

/* Low word of a * b + sum + carry, whose high word is the carry; 2^64 - 1 at most. */
static inline uint32_t multiply_add(uint32_t a, uint32_t b, uint32_t sum, uint32_t *carry) {
#ifdef __ARM_FEATURE_DSP
    __asm__("umaal %0, %1, %2, %3" : "+r"(sum), "+r"(*carry) : "r"(a), "r"(b));
    return sum;
#else
    const uint64_t wide = (uint64_t)a * b + sum + *carry;
    *carry = (uint32_t)(wide >> 32);
    return (uint32_t)wide;
#endif
}

void field_mul(field *product, const field *a, const field *b) {
    uint32_t wide[2 * WORDS] = {0};
    for (uint32_t i = 0; i < WORDS; i++) {
        uint32_t carry = 0;
        for (uint32_t j = 0; j < WORDS; j++) {
            wide[i + j] = multiply_add(a->word[i], b->word[j], wide[i + j], &carry);
        }
        wide[i + WORDS] = carry;
    }
    uint32_t carry = 0;
    for (uint32_t i = 0; i < WORDS; i++) {
        product->word[i] = multiply_add(wide[WORDS + i], OVERFLOW, wide[i], &carry);
    }
    add_small(product, (uint64_t)carry * OVERFLOW);
}

void field_pow(field *power, const field *a, uint32_t bits, uint32_t low) {
    field result = *a; /* the highest bit */
    for (uint32_t bit = bits - 1; bit-- > 0;) {
        field_mul(&result, &result, &result);
        if (bit >= 8 || (low >> bit & 1U)) {
            field_mul(&result, &result, a);
        }
    }
    *power = result;
}

void field_reduce(field *a) {
    for (uint32_t round = 0; round < 2; round++) {
        const uint64_t top = a->word[WORDS - 1] >> 31;
        a->word[WORDS - 1] &= 0x7FFFFFFFU;
        add_small(a, top * 19U);
    }
    field more = *a; /* a - p = a + 19 - 2^255 */
    add_small(&more, 19U);
    if (more.word[WORDS - 1] >> 31) {
        *a = more;
        a->word[WORDS - 1] &= 0x7FFFFFFFU;
    }
}

bool field_same(const field *a, const field *b) {
    field x = *a, y = *b;
    field_reduce(&x);
    field_reduce(&y);
    return memcmp(&x, &y, sizeof x) == 0;
}
