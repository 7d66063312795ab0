/*
 * Fuzzes SMP over the line: both framings, CBOR, every command. Inputs are
 * pieces, each a length byte and as many bytes: below 128 raw bytes of the
 * line, above it (minus 128) an SMP message whose frame is right.
 */
#include <string.h>

#include "fuzz_device.h"

/* The message between zeros, stuffed, with its CRC: what a host sends. */
static void send_message(const uint8_t *message, uint32_t bytes) {
    uint8_t content[130], stuffed[140] = {0};
    uint32_t crc = 0, at = 1, code = 1;
    memcpy(content, message, bytes);
    for (uint32_t i = 0; i < bytes; i++) {
        crc ^= (uint32_t)message[i] << 8;
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1) & 0xFFFF;
        }
    }
    content[bytes] = (uint8_t)(crc >> 8);
    content[bytes + 1] = (uint8_t)crc;
    for (uint32_t i = 0, run = at++; i <= bytes + 2; i++) {
        if (i == bytes + 2 || content[i] == 0) {
            stuffed[run] = (uint8_t)code;
            run = at++;
            code = 1;
        } else {
            stuffed[at++] = content[i];
            code++;
        }
    }
    stuffed[at - 1] = 0;
    fuzz_send(stuffed, at);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fuzz_start();
    for (size_t at = 0; at < size;) {
        const uint32_t wanted = data[at] & 127U, left = (uint32_t)(size - at - 1);
        const uint32_t bytes = wanted < left ? wanted : left;
        if (data[at] < 128) {
            fuzz_send(data + at + 1, bytes);
        } else {
            send_message(data + at + 1, bytes);
        }
        at += 1 + bytes;
    }
    return 0;
}
