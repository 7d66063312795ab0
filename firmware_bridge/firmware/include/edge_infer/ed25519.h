/**
 * @file
 * Verification of ed25519 signatures (RFC 8032, section 5.1).
 */
#ifndef EINF_ED25519_H
#define EINF_ED25519_H

#include <stdbool.h>
#include <stdint.h>

#define EINF_ED25519_KEY_BYTES       32U
#define EINF_ED25519_SIGNATURE_BYTES 64U

/**
 * Whether a signature of `message` was made with the private half of `key`.
 *
 * Compares encoded points, without the cofactor, as OpenSSL does. Time depends on the values,
 * which are all public.
 */
bool einf_ed25519_verify(const uint8_t signature[EINF_ED25519_SIGNATURE_BYTES],
                         const uint8_t key[EINF_ED25519_KEY_BYTES], const uint8_t *message,
                         uint32_t bytes);

#endif
