#include "edge_infer/trust.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "edge_infer/ed25519.h"

/* A DER SubjectPublicKeyInfo of ed25519 up to the 32 bytes of the key (RFC 8410). */
static const uint8_t key_prefix[] = {0x30, 0x2A, 0x30, 0x05, 0x06, 0x03,
                                     0x2B, 0x65, 0x70, 0x03, 0x21, 0x00};

static bool is_named(const uint8_t *key_hash, const uint8_t *key) {
    uint8_t digest[EINF_SHA256_BYTES];
    einf_sha256 sha;
    einf_sha256_begin(&sha);
    einf_sha256_add(&sha, key_prefix, sizeof key_prefix);
    einf_sha256_add(&sha, key, EINF_ED25519_KEY_BYTES);
    einf_sha256_end(&sha, digest);
    return memcmp(digest, key_hash, sizeof digest) == 0;
}

einf_status einf_image_check_trust(const einf_image *image, einf_trusted_key trusted) {
    if (trusted(0) == NULL) {
        return EINF_OK;
    }
    if (image->signature == NULL) {
        return EINF_SIGNATURE;
    }
    for (uint32_t i = 0; trusted(i) != NULL; i++) {
        if (is_named(image->key_hash, trusted(i))) {
            const bool right =
                einf_ed25519_verify(image->signature, trusted(i), image->digest, EINF_SHA256_BYTES);
            return right ? EINF_OK : EINF_SIGNATURE;
        }
    }
    return EINF_SIGNATURE;
}
