#include "edge_infer/ed25519.h"

#include <string.h>

#include "edge_infer/bytes.h"
#include "edge_infer/sha512.h"
#include "image/field25519.h"

#define EINF_WORDS       8U
#define EINF_SCALAR_BITS 253 /* of numbers below the order */

/* A point (X : Y : Z : T) of -x^2 + y^2 = 1 + d x^2 y^2, x = X/Z, y = Y/Z, T = XY/Z. */
typedef struct {
    einf_field x, y, z, t;
} point;

static const einf_field one = {{1}}, zero = {{0}};
static const einf_field curve_d = {{0x135978A3, 0x75EB4DCA, 0x4141D8AB, 0x00700A4D, 0x7779E898,
                                    0x8CC74079, 0x2B6FFE73, 0x52036CEE}};
static const einf_field twice_d = {{0x26B2F159, 0xEBD69B94, 0x8283B156, 0x00E0149A, 0xEEF3D130,
                                    0x198E80F2, 0x56DFFCE7, 0x2406D9DC}};
static const einf_field root_of_minus_1 = {{0x4A0EA0B0, 0xC4EE1B27, 0xAD2FE478, 0x2F431806,
                                            0x3DFBD7A7, 0x2B4D0099, 0x4FC1DF0B, 0x2B832480}};
static const point base = {
    {{0x8F25D51A, 0xC9562D60, 0x9525A7B2, 0x692CC760, 0xFDD6DC5C, 0xC0A4E231, 0xCD6E53FE,
      0x216936D3}},
    {{0x66666658, 0x66666666, 0x66666666, 0x66666666, 0x66666666, 0x66666666, 0x66666666,
      0x66666666}},
    {{1}},
    {{0xA5B7DDA3, 0x6DDE8AB3, 0x775152F5, 0x20F09F80, 0x64ABE37D, 0x66EA4E8E, 0xD78B7665,
      0x67875F0F}},
};
static const uint32_t order[EINF_WORDS] = {0x5CF5D3ED, 0x5812631A, 0xA2F79CD6, 0x14DEF9DE,
                                           0x00000000, 0x00000000, 0x00000000, 0x10000000};

/* Section 5.1.4; the sum may be one of the two. */
static void point_add(point *sum, const point *p, const point *q) {
    einf_field a, b, c, d, u;
    einf_field_sub(&a, &p->y, &p->x);
    einf_field_sub(&u, &q->y, &q->x);
    einf_field_mul(&a, &a, &u);
    einf_field_add(&b, &p->y, &p->x);
    einf_field_add(&u, &q->y, &q->x);
    einf_field_mul(&b, &b, &u);
    einf_field_mul(&c, &p->t, &q->t);
    einf_field_mul(&c, &c, &twice_d);
    einf_field_mul(&d, &p->z, &q->z);
    einf_field_add(&d, &d, &d);
    einf_field_sub(&u, &b, &a);
    einf_field_add(&b, &b, &a);
    einf_field_sub(&a, &d, &c);
    einf_field_add(&d, &d, &c);
    einf_field_mul(&sum->x, &u, &a);
    einf_field_mul(&sum->y, &d, &b);
    einf_field_mul(&sum->t, &u, &b);
    einf_field_mul(&sum->z, &a, &d);
}

static void point_double(point *p) {
    einf_field a, b, c, e, g, h;
    einf_field_mul(&a, &p->x, &p->x);
    einf_field_mul(&b, &p->y, &p->y);
    einf_field_mul(&c, &p->z, &p->z);
    einf_field_add(&c, &c, &c);
    einf_field_add(&h, &a, &b);
    einf_field_add(&e, &p->x, &p->y);
    einf_field_mul(&e, &e, &e);
    einf_field_sub(&e, &h, &e);
    einf_field_sub(&g, &a, &b);
    einf_field_add(&c, &c, &g);
    einf_field_mul(&p->x, &e, &c);
    einf_field_mul(&p->y, &g, &h);
    einf_field_mul(&p->t, &e, &h);
    einf_field_mul(&p->z, &c, &g);
}

static void point_negate(point *p) {
    einf_field_sub(&p->x, &zero, &p->x);
    einf_field_sub(&p->t, &zero, &p->t);
}

/* x from y and its lowest bit (section 5.1.3): x^2 = u / v; false when there is none. */
static bool find_x(einf_field *x, const einf_field *y, uint32_t lowest) {
    einf_field u, v, v3, check;
    einf_field_mul(&u, y, y);
    einf_field_mul(&v, &u, &curve_d);
    einf_field_sub(&u, &u, &one);
    einf_field_add(&v, &v, &one);
    einf_field_mul(&v3, &v, &v);
    einf_field_mul(&v3, &v3, &v);
    einf_field_mul(x, &v3, &v3);
    einf_field_mul(x, x, &v);
    einf_field_mul(x, x, &u);
    einf_field_pow(x, x, 252, 0xFD); /* (p - 5) / 8 */
    einf_field_mul(x, x, &v3);
    einf_field_mul(x, x, &u);
    einf_field_mul(&check, x, x);
    einf_field_mul(&check, &check, &v);
    if (!einf_field_same(&check, &u)) {
        einf_field_sub(&u, &zero, &u);
        if (!einf_field_same(&check, &u)) {
            return false;
        }
        einf_field_mul(x, x, &root_of_minus_1);
    }
    einf_field_reduce(x);
    if (lowest && einf_field_same(x, &zero)) {
        return false;
    }
    if ((x->word[0] & 1U) != lowest) {
        einf_field_sub(x, &zero, x);
    }
    return true;
}

static bool point_decode(point *p, const uint8_t from[EINF_ED25519_KEY_BYTES]) {
    for (uint32_t i = 0; i < EINF_WORDS; i++) {
        p->y.word[i] = einf_u32(from + 4 * i);
    }
    const uint32_t lowest = p->y.word[EINF_WORDS - 1] >> 31;
    p->y.word[EINF_WORDS - 1] &= 0x7FFFFFFFU;
    einf_field reduced = p->y;
    einf_field_reduce(&reduced);
    if (memcmp(&reduced, &p->y, sizeof reduced) != 0 || !find_x(&p->x, &p->y, lowest)) {
        return false;
    }
    p->z = one;
    einf_field_mul(&p->t, &p->x, &p->y);
    return true;
}

/* Whether the point's encoding is the one given. */
static bool point_is(const point *p, const uint8_t encoded[EINF_ED25519_KEY_BYTES]) {
    einf_field inverse, x, y;
    einf_field_pow(&inverse, &p->z, 255, 0xEB); /* p - 2 */
    einf_field_mul(&x, &p->x, &inverse);
    einf_field_mul(&y, &p->y, &inverse);
    einf_field_reduce(&x);
    einf_field_reduce(&y);
    y.word[EINF_WORDS - 1] |= x.word[0] << 31;
    for (uint32_t i = 0; i < EINF_WORDS; i++) {
        if (y.word[i] != einf_u32(encoded + 4 * i)) {
            return false;
        }
    }
    return true;
}

/* Subtract the order when the number is not below it; false when it was below. */
static bool take_order(uint32_t number[EINF_WORDS]) {
    uint32_t rest[EINF_WORDS], borrow = 0;
    for (uint32_t i = 0; i < EINF_WORDS; i++) {
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
static void reduce_hash(uint32_t number[EINF_WORDS], const uint8_t hash[EINF_SHA512_BYTES]) {
    memset(number, 0, EINF_WORDS * sizeof *number);
    for (uint32_t bit = 8 * EINF_SHA512_BYTES; bit-- > 0;) {
        const uint32_t byte = hash[bit / 8];
        uint32_t carry = byte >> bit % 8 & 1U;
        for (uint32_t i = 0; i < EINF_WORDS; i++) {
            const uint32_t next = number[i] >> 31;
            number[i] = number[i] << 1 | carry;
            carry = next;
        }
        (void)take_order(number);
    }
}

/* s B + h A, bit by bit of both at once (Shamir's trick). */
static void multiply(point *sum, const uint32_t s[EINF_WORDS], const uint32_t h[EINF_WORDS],
                     const point *a) {
    point both;
    point_add(&both, &base, a);
    *sum = (point){zero, one, one, zero};
    for (uint32_t bit = EINF_SCALAR_BITS; bit-- > 0;) {
        const bool of_s = s[bit / 32] >> bit % 32 & 1U, of_h = h[bit / 32] >> bit % 32 & 1U;
        point_double(sum);
        if (of_s || of_h) {
            point_add(sum, sum, of_s && of_h ? &both : of_s ? &base : a);
        }
    }
}

bool einf_ed25519_verify(const uint8_t signature[EINF_ED25519_SIGNATURE_BYTES],
                         const uint8_t key[EINF_ED25519_KEY_BYTES], const uint8_t *message,
                         uint32_t bytes) {
    uint32_t s[EINF_WORDS], h[EINF_WORDS];
    uint8_t hash[EINF_SHA512_BYTES];
    einf_sha512 sha;
    point a, sum;
    for (uint32_t i = 0; i < EINF_WORDS; i++) {
        s[i] = einf_u32(signature + 32 + 4 * i);
    }
    if (take_order(s) || !point_decode(&a, key)) {
        return false;
    }
    einf_sha512_begin(&sha);
    einf_sha512_add(&sha, signature, 32);
    einf_sha512_add(&sha, key, EINF_ED25519_KEY_BYTES);
    einf_sha512_add(&sha, message, bytes);
    einf_sha512_end(&sha, hash);
    reduce_hash(h, hash);
    point_negate(&a);
    multiply(&sum, s, h, &a);
    return point_is(&sum, signature);
}
