/*
 * The key whose signatures count, given at build time: EINF_TRUSTED_KEY, its 32 bytes with commas
 * between (`make TRUST=me.pub.pem` writes it). Without it, bundles of anybody are taken.
 */
#include <stddef.h>

#include "edge_infer/ed25519.h"
#include "edge_infer/hal.h"

const uint8_t *einf_hal_trusted_key(uint32_t index) {
#ifdef EINF_TRUSTED_KEY
    static const uint8_t key[EINF_ED25519_KEY_BYTES] = {EINF_TRUSTED_KEY};
    return index == 0 ? key : NULL;
#else
    (void)index;
    return NULL;
#endif
}
