/**
 * @file
 * Whether an image was signed by somebody this device trusts.
 */
#ifndef EINF_TRUST_H
#define EINF_TRUST_H

#include "edge_infer/image.h"

/** The trusted ed25519 public keys, 32 bytes each, by index from 0; NULL beyond the last. */
typedef const uint8_t *(*einf_trusted_key)(uint32_t index);

/**
 * Check the signature over the image's digest with the key that its key hash names.
 *
 * The hash is SHA-256 over the key as a DER SubjectPublicKeyInfo (RFC 8410, section 4), which is
 * what MCUboot's KEYHASH TLV holds.
 *
 * @retval EINF_OK also where there is no trusted key: everybody is then trusted
 * @retval EINF_SIGNATURE not signed, by an unknown key, or the signature is wrong
 */
einf_status einf_image_check_trust(const einf_image *image, einf_trusted_key key);

#endif
