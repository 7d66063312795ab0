#include "image/field25519.h"

#include <string.h>

#define EINF_WORDS    8U
#define EINF_OVERFLOW 38U /* 2^256 modulo p */

/* Add a small number, as often as it overflows. */
static void add_small(einf_field *a, uint64_t carry) {
    while (carry != 0) {
        for (uint32_t i = 0; i < EINF_WORDS; i++) {
            carry += a->word[i];
            a->word[i] = (uint32_t)carry;
            carry >>= 32;
        }
        carry *= EINF_OVERFLOW;
    }
}

void einf_field_add(einf_field *sum, const einf_field *a, const einf_field *b) {
    uint64_t carry = 0;
    for (uint32_t i = 0; i < EINF_WORDS; i++) {
        carry += (uint64_t)a->word[i] + b->word[i];
        sum->word[i] = (uint32_t)carry;
        carry >>= 32;
    }
    add_small(sum, carry * EINF_OVERFLOW);
}

void einf_field_sub(einf_field *difference, const einf_field *a, const einf_field *b) {
    uint32_t borrow = 0;
    for (uint32_t i = 0; i < EINF_WORDS; i++) {
        const uint64_t step = (uint64_t)a->word[i] - b->word[i] - borrow;
        difference->word[i] = (uint32_t)step;
        borrow = (uint32_t)(step >> 63);
    }
    while (borrow != 0) { /* 2^256 was borrowed, which is 38 too many */
        uint32_t less = EINF_OVERFLOW;
        for (uint32_t i = 0; i < EINF_WORDS; i++) {
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

void einf_field_mul(einf_field *product, const einf_field *a, const einf_field *b) {
    uint32_t wide[2 * EINF_WORDS] = {0};
    for (uint32_t i = 0; i < EINF_WORDS; i++) {
        uint32_t carry = 0;
        for (uint32_t j = 0; j < EINF_WORDS; j++) {
            wide[i + j] = multiply_add(a->word[i], b->word[j], wide[i + j], &carry);
        }
        wide[i + EINF_WORDS] = carry;
    }
    uint32_t carry = 0;
    for (uint32_t i = 0; i < EINF_WORDS; i++) {
        product->word[i] = multiply_add(wide[EINF_WORDS + i], EINF_OVERFLOW, wide[i], &carry);
    }
    add_small(product, (uint64_t)carry * EINF_OVERFLOW);
}

void einf_field_pow(einf_field *power, const einf_field *a, uint32_t bits, uint32_t low) {
    einf_field result = *a; /* the highest bit */
    for (uint32_t bit = bits - 1; bit-- > 0;) {
        einf_field_mul(&result, &result, &result);
        if (bit >= 8 || (low >> bit & 1U)) {
            einf_field_mul(&result, &result, a);
        }
    }
    *power = result;
}

void einf_field_reduce(einf_field *a) {
    for (uint32_t round = 0; round < 2; round++) {
        const uint64_t top = a->word[EINF_WORDS - 1] >> 31;
        a->word[EINF_WORDS - 1] &= 0x7FFFFFFFU;
        add_small(a, top * 19U);
    }
    einf_field more = *a; /* a - p = a + 19 - 2^255 */
    add_small(&more, 19U);
    if (more.word[EINF_WORDS - 1] >> 31) {
        *a = more;
        a->word[EINF_WORDS - 1] &= 0x7FFFFFFFU;
    }
}

bool einf_field_same(const einf_field *a, const einf_field *b) {
    einf_field x = *a, y = *b;
    einf_field_reduce(&x);
    einf_field_reduce(&y);
    return memcmp(&x, &y, sizeof x) == 0;
}
