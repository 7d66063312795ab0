/**
 * @file
 * SHA-256 (FIPS 180-4, section 6.2).
 */
#ifndef EINF_SHA256_H
#define EINF_SHA256_H

#include <stdint.h>

#define EINF_SHA256_BYTES 32U

/** A hash under way. */
typedef struct {
    uint32_t state[8];
    uint64_t length;
    uint8_t block[64];
} einf_sha256;

void einf_sha256_begin(einf_sha256 *sha);
void einf_sha256_add(einf_sha256 *sha, const uint8_t *data, uint32_t bytes);
void einf_sha256_end(einf_sha256 *sha, uint8_t digest[EINF_SHA256_BYTES]);

#endif
