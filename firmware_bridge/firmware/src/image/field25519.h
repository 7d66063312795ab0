/**
 * @file
 * Numbers modulo p = 2^255 - 19, for verification alone: time depends on values.
 *
 * Eight words, the lowest first; any number below 2^256 stands for its rest modulo p. Since 2^256
 * is 38 modulo p, what overflows comes back times 38.
 */
#ifndef EINF_FIELD25519_H
#define EINF_FIELD25519_H

#include <stdbool.h>
#include <stdint.h>

typedef struct {
    uint32_t word[8];
} einf_field;

void einf_field_add(einf_field *sum, const einf_field *a, const einf_field *b);
void einf_field_sub(einf_field *difference, const einf_field *a, const einf_field *b);
void einf_field_mul(einf_field *product, const einf_field *a, const einf_field *b);

/** a^(2^bits - 256 + low): the exponents of inversion and square root have this form. */
void einf_field_pow(einf_field *power, const einf_field *a, uint32_t bits, uint32_t low);

/** The rest below p. */
void einf_field_reduce(einf_field *a);

/** Whether two numbers have the same rest. */
bool einf_field_same(const einf_field *a, const einf_field *b);

#endif
