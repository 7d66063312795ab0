/**
 * @file
 * Numbers modulo p = 2^255 - 19, for verification alone: time depends on values.
 *
 * Eight words, the lowest first; any number below 2^256 stands for its rest modulo p. Since 2^256
 * is 38 modulo p, what overflows comes back times 38.
 */
#ifndef EDGE_INFER_FIELD25519_H
#define EDGE_INFER_FIELD25519_H

#include <stdbool.h>
#include <stdint.h>

typedef struct {
    uint32_t word[8];
} field;

void field_add(field *sum, const field *a, const field *b);
void field_sub(field *difference, const field *a, const field *b);
void field_mul(field *product, const field *a, const field *b);

/** a^(2^bits - 256 + low): the exponents of inversion and square root have this form. */
void field_pow(field *power, const field *a, uint32_t bits, uint32_t low);

/** The rest below p. */
void field_reduce(field *a);

/** Whether two numbers have the same rest. */
bool field_same(const field *a, const field *b);

#endif
