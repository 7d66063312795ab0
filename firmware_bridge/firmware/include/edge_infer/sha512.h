/**
 * @file
 * SHA-512 (FIPS 180-4, section 6.4).
 */
#ifndef EDGE_INFER_SHA512_H
#define EDGE_INFER_SHA512_H

#include <stdint.h>

#define EI_SHA512_BYTES 64U

/** A hash under way. */
typedef struct {
    uint64_t state[8];
    uint64_t length;
    uint8_t block[128];
} ei_sha512;

void ei_sha512_begin(ei_sha512 *sha);
void ei_sha512_add(ei_sha512 *sha, const uint8_t *data, uint32_t bytes);
void ei_sha512_end(ei_sha512 *sha, uint8_t digest[EI_SHA512_BYTES]);

#endif
