/*
 * Verifies signatures. A request: bytes of the message, signature, key, the message; the answer:
 * whether it is right, and ticks.
 */
#include "driver_io.h"
#include "edge_infer/ed25519.h"

#define MOST_BYTES 4096U

int main(void) {
    static uint8_t signature[EINF_ED25519_SIGNATURE_BYTES], key[EINF_ED25519_KEY_BYTES],
        message[MOST_BYTES];
    uint32_t bytes;
    while (read_exact(&bytes, sizeof bytes)) {
        if (bytes > MOST_BYTES || !read_exact(signature, sizeof signature) ||
            !read_exact(key, sizeof key) || !read_exact(message, bytes)) {
            finish(2);
        }
        const uint32_t before = ticks();
        uint32_t answer[2] = {einf_ed25519_verify(signature, key, message, bytes), 0};
        answer[1] = ticks() - before;
        write_exact(answer, sizeof answer);
    }
    finish(0);
    return 0;
}
