/**
 * @file
 * The MCUboot image that a bundle travels in (MCUboot documentation, "Image format").
 *
 * A 32-byte header or longer, the payload, protected TLVs, TLVs. The SHA-256 covers all but the
 * last part. TLVs stand in the order that MCUboot reads them in: the hash, the name of a key, its
 * signature. trust.h checks the signature.
 */
#ifndef EINF_IMAGE_H
#define EINF_IMAGE_H

#include "edge_infer/sha256.h"
#include "edge_infer/status.h"

#define EINF_IMAGE_HEADER_BYTES 32U

/** Version of an image. */
typedef struct {
    uint8_t major;
    uint8_t minor;
    uint16_t revision;
    uint32_t build;
} einf_version;

/** An image whose hash is right. */
typedef struct {
    einf_version version;
    uint32_t security_counter;
    uint8_t digest[EINF_SHA256_BYTES];
    const uint8_t *payload;
    uint32_t payload_bytes;
    uint32_t bytes;           /**< Of the whole image. */
    const uint8_t *key_hash;  /**< 32 bytes, NULL when it is not signed. */
    const uint8_t *signature; /**< ed25519 over `digest`, 64 bytes; NULL when it is not signed. */
} einf_image;

/**
 * Read an image and check its hash. What follows it in `data` (an erased rest of a slot) is left
 * alone.
 *
 * @retval EINF_TRUNCATED, EINF_CORRUPT, EINF_HASH
 */
einf_status einf_image_open(einf_image *image, const uint8_t *data, uint32_t size);

#endif
