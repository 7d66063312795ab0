/**
 * @file
 * SHA-512 (FIPS 180-4, section 6.4).
 */
#ifndef EINF_SHA512_H
#define EINF_SHA512_H

#include <stdint.h>

#define EINF_SHA512_BYTES 64U

/** A hash under way. */
typedef struct {
    uint64_t state[8];
    uint64_t length;
    uint8_t block[128];
} einf_sha512;

void einf_sha512_begin(einf_sha512 *sha);
void einf_sha512_add(einf_sha512 *sha, const uint8_t *data, uint32_t bytes);
void einf_sha512_end(einf_sha512 *sha, uint8_t digest[EINF_SHA512_BYTES]);

#endif
