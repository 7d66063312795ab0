/*
 * Fuzzes the MLPerf Tiny text protocol: the input is what comes over the line.
 * Bytes of 128 and more stand for words of the protocol, so that few bytes make
 * a long talk.
 */
#include <string.h>

#include "fuzz_device.h"

#define POLLS 16U /* of an idle line, so that inferences under way go on */

static const char *const words[] = {
    "name%",    "profile%", "timestamp%", "help%",      "results%",   "db load ",
    "db ",      "infer ",   "%",          "infer 1 0%", "infer 2 1%", "0000000000000000",
    "7f80ff00", "16%",      "64%",        "m-ready",
};

static void send_byte(uint8_t byte) {
    if (byte < 128) {
        fuzz_send(&byte, 1);
        return;
    }
    const char *word = words[(byte - 128U) % (sizeof words / sizeof *words)];
    fuzz_send((const uint8_t *)word, (uint32_t)strlen(word));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fuzz_start();
    for (size_t at = 0; at < size; at++) {
        send_byte(data[at]);
    }
    for (uint32_t i = 0; i < POLLS; i++) {
        fuzz_send(data, 0);
    }
    return 0;
}
