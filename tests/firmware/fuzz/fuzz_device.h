/* A device whose line is a fuzzer's input. */
#ifndef FUZZ_DEVICE_H
#define FUZZ_DEVICE_H

#include <stddef.h>
#include <stdint.h>

/* Power on with the flash as it was at first. */
void fuzz_start(void);

/* Let bytes come over the line, and the main loop turn until they are taken. */
void fuzz_send(const uint8_t *data, uint32_t bytes);

/* What libFuzzer calls. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
