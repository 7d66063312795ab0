/**
 * @file
 * SHA-256 (FIPS 180-4, section 6.2).
 */
#ifndef EDGE_INFER_SHA256_H
#define EDGE_INFER_SHA256_H

#include <stdint.h>

#define EI_SHA256_BYTES 32U

/** A hash under way. */
typedef struct {
    uint32_t state[8];
    uint64_t length;
    uint8_t block[64];
} ei_sha256;

void ei_sha256_begin(ei_sha256 *sha);
void ei_sha256_add(ei_sha256 *sha, const uint8_t *data, uint32_t bytes);
void ei_sha256_end(ei_sha256 *sha, uint8_t digest[EI_SHA256_BYTES]);

#endif
