#include "edge_infer/sha256.h"

#include <string.h>

/* Fractional parts of the cube roots of the first 64 primes (section 4.2.2). */
static const uint32_t constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t rotated(uint32_t x, uint32_t by) {
    return x >> by | x << (32 - by);
}

static uint32_t big_endian(const uint8_t *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void schedule(uint32_t w[64], const uint8_t block[64]) {
    for (uint32_t i = 0; i < 16; i++) {
        w[i] = big_endian(block + 4 * i);
    }
    for (uint32_t i = 16; i < 64; i++) {
        const uint32_t a = w[i - 15], b = w[i - 2];
        const uint32_t s0 = rotated(a, 7) ^ rotated(a, 18) ^ a >> 3;
        const uint32_t s1 = rotated(b, 17) ^ rotated(b, 19) ^ b >> 10;
        w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
}

/* One step of section 6.2.2, 3. The working variables a to h stand in v from `turn` down, so that
 * they are renamed instead of moved. */
static inline void step(uint32_t v[8], uint32_t turn, uint32_t constant_and_word) {
#define EINF_VARIABLE(name) v[((name)-turn) & 7U]
    const uint32_t a = EINF_VARIABLE(0U), b = EINF_VARIABLE(1U), c = EINF_VARIABLE(2U);
    const uint32_t e = EINF_VARIABLE(4U), f = EINF_VARIABLE(5U), g = EINF_VARIABLE(6U);
    const uint32_t s1 = rotated(e, 6) ^ rotated(e, 11) ^ rotated(e, 25);
    const uint32_t t1 = EINF_VARIABLE(7U) + s1 + ((e & f) ^ (~e & g)) + constant_and_word;
    const uint32_t s0 = rotated(a, 2) ^ rotated(a, 13) ^ rotated(a, 22);
    EINF_VARIABLE(3U) += t1;
    EINF_VARIABLE(7U) = t1 + s0 + ((a & b) ^ (a & c) ^ (b & c));
#undef EINF_VARIABLE
}

static void compress(uint32_t state[8], const uint8_t block[64]) {
    uint32_t w[64], v[8];
    schedule(w, block);
    memcpy(v, state, sizeof v);
    for (uint32_t i = 0; i < 64; i += 8) { /* written out: every index is a constant */
        step(v, 0, constants[i] + w[i]);
        step(v, 1, constants[i + 1] + w[i + 1]);
        step(v, 2, constants[i + 2] + w[i + 2]);
        step(v, 3, constants[i + 3] + w[i + 3]);
        step(v, 4, constants[i + 4] + w[i + 4]);
        step(v, 5, constants[i + 5] + w[i + 5]);
        step(v, 6, constants[i + 6] + w[i + 6]);
        step(v, 7, constants[i + 7] + w[i + 7]);
    }
    for (uint32_t i = 0; i < 8; i++) {
        state[i] += v[i];
    }
}

void einf_sha256_begin(einf_sha256 *sha) {
    static const uint32_t start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    memcpy(sha->state, start, sizeof start);
    sha->length = 0;
}

void einf_sha256_add(einf_sha256 *sha, const uint8_t *data, uint32_t bytes) {
    while (bytes > 0) {
        const uint32_t filled = (uint32_t)(sha->length % 64);
        const uint32_t taken = bytes < 64 - filled ? bytes : 64 - filled;
        memcpy(sha->block + filled, data, taken);
        sha->length += taken;
        data += taken;
        bytes -= taken;
        if (filled + taken == 64) {
            compress(sha->state, sha->block);
        }
    }
}

void einf_sha256_end(einf_sha256 *sha, uint8_t digest[EINF_SHA256_BYTES]) {
    const uint64_t bits = sha->length * 8;
    const uint8_t end = 0x80, zero = 0;
    uint8_t length[8];
    einf_sha256_add(sha, &end, 1);
    while (sha->length % 64 != 56) {
        einf_sha256_add(sha, &zero, 1);
    }
    for (uint32_t i = 0; i < 8; i++) {
        length[i] = (uint8_t)(bits >> (56 - 8 * i));
    }
    einf_sha256_add(sha, length, 8);
    for (uint32_t i = 0; i < EINF_SHA256_BYTES; i++) {
        digest[i] = (uint8_t)(sha->state[i / 4] >> (24 - 8 * (i % 4)));
    }
}
