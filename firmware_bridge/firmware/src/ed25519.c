#include "edge_infer/ed25519.h"

#include <string.h>

#include "edge_infer/bytes.h"
#include "edge_infer/sha512.h"
#include "field25519.h"

#define WORDS       8U
#define SCALAR_BITS 253 /* of numbers below the order */

/* A point (X : Y : Z : T) of -x^2 + y^2 = 1 + d x^2 y^2, x = X/Z, y = Y/Z, T = XY/Z. */
typedef struct {
    field x, y, z, t;
} point;

static const field one = {{1}}, zero = {{0}};
static const field curve_d = {{0x135978A3, 0x75EB4DCA, 0x4141D8AB, 0x00700A4D, 0x7779E898,
                               0x8CC74079, 0x2B6FFE73, 0x52036CEE}};
static const field twice_d = {{0x26B2F159, 0xEBD69B94, 0x8283B156, 0x00E0149A, 0xEEF3D130,
                               0x198E80F2, 0x56DFFCE7, 0x2406D9DC}};
static const field root_of_minus_1 = {{0x4A0EA0B0, 0xC4EE1B27, 0xAD2FE478, 0x2F431806, 0x3DFBD7A7,
                                       0x2B4D0099, 0x4FC1DF0B, 0x2B832480}};
static const point base = {
    {{0x8F25D51A, 0xC9562D60, 0x9525A7B2, 0x692CC760, 0xFDD6DC5C, 0xC0A4E231, 0xCD6E53FE,
      0x216936D3}},
    {{0x66666658, 0x66666666, 0x66666666, 0x66666666, 0x66666666, 0x66666666, 0x66666666,
      0x66666666}},
    {{1}},
    {{0xA5B7DDA3, 0x6DDE8AB3, 0x775152F5, 0x20F09F80, 0x64ABE37D, 0x66EA4E8E, 0xD78B7665,
      0x67875F0F}},
};
static const uint32_t order[WORDS] = {0x5CF5D3ED, 0x5812631A, 0xA2F79CD6, 0x14DEF9DE,
                                      0x00000000, 0x00000000, 0x00000000, 0x10000000};

/* Section 5.1.4; the sum may be one of the two. */
static void point_add(point *sum, const point *p, const point *q) {
    field a, b, c, d, u;
    field_sub(&a, &p->y, &p->x);
    field_sub(&u, &q->y, &q->x);
    field_mul(&a, &a, &u);
    field_add(&b, &p->y, &p->x);
    field_add(&u, &q->y, &q->x);
    field_mul(&b, &b, &u);
    field_mul(&c, &p->t, &q->t);
    field_mul(&c, &c, &twice_d);
    field_mul(&d, &p->z, &q->z);
    field_add(&d, &d, &d);
    field_sub(&u, &b, &a);
    field_add(&b, &b, &a);
    field_sub(&a, &d, &c);
    field_add(&d, &d, &c);
    field_mul(&sum->x, &u, &a);
    field_mul(&sum->y, &d, &b);
    field_mul(&sum->t, &u, &b);
    field_mul(&sum->z, &a, &d);
}

static void point_double(point *p) {
    field a, b, c, e, g, h;
    field_mul(&a, &p->x, &p->x);
    field_mul(&b, &p->y, &p->y);
    field_mul(&c, &p->z, &p->z);
    field_add(&c, &c, &c);
    field_add(&h, &a, &b);
    field_add(&e, &p->x, &p->y);
    field_mul(&e, &e, &e);
    field_sub(&e, &h, &e);
    field_sub(&g, &a, &b);
    field_add(&c, &c, &g);
    field_mul(&p->x, &e, &c);
    field_mul(&p->y, &g, &h);
    field_mul(&p->t, &e, &h);
    field_mul(&p->z, &c, &g);
}

static void point_negate(point *p) {
    field_sub(&p->x, &zero, &p->x);
    field_sub(&p->t, &zero, &p->t);
}

/* x from y and its lowest bit (section 5.1.3): x^2 = u / v; false when there is none. */
static bool find_x(field *x, const field *y, uint32_t lowest) {
    field u, v, v3, check;
    field_mul(&u, y, y);
    field_mul(&v, &u, &curve_d);
    field_sub(&u, &u, &one);
    field_add(&v, &v, &one);
    field_mul(&v3, &v, &v);
    field_mul(&v3, &v3, &v);
    field_mul(x, &v3, &v3);
    field_mul(x, x, &v);
    field_mul(x, x, &u);
    field_pow(x, x, 252, 0xFD); /* (p - 5) / 8 */
    field_mul(x, x, &v3);
    field_mul(x, x, &u);
    field_mul(&check, x, x);
    field_mul(&check, &check, &v);
    if (!field_same(&check, &u)) {
        field_sub(&u, &zero, &u);
        if (!field_same(&check, &u)) {
            return false;
        }
        field_mul(x, x, &root_of_minus_1);
    }
    field_reduce(x);
    if (lowest && field_same(x, &zero)) {
        return false;
    }
    if ((x->word[0] & 1U) != lowest) {
        field_sub(x, &zero, x);
    }
    return true;
}

static bool point_decode(point *p, const uint8_t from[EI_KEY_BYTES]) {
    for (uint32_t i = 0; i < WORDS; i++) {
        p->y.word[i] = ei_u32(from + 4 * i);
    }
    const uint32_t lowest = p->y.word[WORDS - 1] >> 31;
    p->y.word[WORDS - 1] &= 0x7FFFFFFFU;
    field reduced = p->y;
    field_reduce(&reduced);
    if (memcmp(&reduced, &p->y, sizeof reduced) != 0 || !find_x(&p->x, &p->y, lowest)) {
        return false;
    }
    p->z = one;
    field_mul(&p->t, &p->x, &p->y);
    return true;
}

/* Whether the point's encoding is the one given. */
static bool point_is(const point *p, const uint8_t encoded[EI_KEY_BYTES]) {
    field inverse, x, y;
    field_pow(&inverse, &p->z, 255, 0xEB); /* p - 2 */
    field_mul(&x, &p->x, &inverse);
    field_mul(&y, &p->y, &inverse);
    field_reduce(&x);
    field_reduce(&y);
    y.word[WORDS - 1] |= x.word[0] << 31;
    for (uint32_t i = 0; i < WORDS; i++) {
        if (y.word[i] != ei_u32(encoded + 4 * i)) {
            return false;
        }
    }
    return true;
}

/* Subtract the order when the number is not below it; false when it was below. */
static bool take_order(uint32_t number[WORDS]) {
    uint32_t rest[WORDS], borrow = 0;
    for (uint32_t i = 0; i < WORDS; i++) {
        const uint64_t step = (uint64_t)number[i] - order[i] - borrow;
        rest[i] = (uint32_t)step;
        borrow = (uint32_t)(step >> 63);
    }
    if (borrow != 0) {
        return false;
    }
    memcpy(number, rest, sizeof rest);
    return true;
}

/* A hash, little endian, modulo the order: one bit after the other, the highest first. */
static void reduce_hash(uint32_t number[WORDS], const uint8_t hash[EI_SHA512_BYTES]) {
    memset(number, 0, WORDS * sizeof *number);
    for (uint32_t bit = 8 * EI_SHA512_BYTES; bit-- > 0;) {
        const uint32_t byte = hash[bit / 8];
        uint32_t carry = byte >> bit % 8 & 1U;
        for (uint32_t i = 0; i < WORDS; i++) {
            const uint32_t next = number[i] >> 31;
            number[i] = number[i] << 1 | carry;
            carry = next;
        }
        (void)take_order(number);
    }
}

/* s B + h A, bit by bit of both at once (Shamir's trick). */
static void multiply(point *sum, const uint32_t s[WORDS], const uint32_t h[WORDS], const point *a) {
    point both;
    point_add(&both, &base, a);
    *sum = (point){zero, one, one, zero};
    for (uint32_t bit = SCALAR_BITS; bit-- > 0;) {
        const bool of_s = s[bit / 32] >> bit % 32 & 1U, of_h = h[bit / 32] >> bit % 32 & 1U;
        point_double(sum);
        if (of_s || of_h) {
            point_add(sum, sum, of_s && of_h ? &both : of_s ? &base : a);
        }
    }
}

bool ei_ed25519_verify(const uint8_t signature[EI_SIGNATURE_BYTES], const uint8_t key[EI_KEY_BYTES],
                       const uint8_t *message, uint32_t bytes) {
    uint32_t s[WORDS], h[WORDS];
    uint8_t hash[EI_SHA512_BYTES];
    ei_sha512 sha;
    point a, sum;
    for (uint32_t i = 0; i < WORDS; i++) {
        s[i] = ei_u32(signature + 32 + 4 * i);
    }
    if (take_order(s) || !point_decode(&a, key)) {
        return false;
    }
    ei_sha512_begin(&sha);
    ei_sha512_add(&sha, signature, 32);
    ei_sha512_add(&sha, key, EI_KEY_BYTES);
    ei_sha512_add(&sha, message, bytes);
    ei_sha512_end(&sha, hash);
    reduce_hash(h, hash);
    point_negate(&a);
    multiply(&sum, s, h, &a);
    return point_is(&sum, signature);
}
