/*
 * Fuzzes what comes over the line: SMP in both framings, CBOR, every command, the MLPerf Tiny
 * protocol. Inputs are pieces, each a length byte and as many bytes: below 128 raw bytes of the
 * line, above it (minus 128) an SMP message whose frame is right. The device runs the bundle that
 * FUZZ_BUNDLE names.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device.h"
#include "edge_infer/device.h"
#include "edge_infer/hal.h"

#define PAGE_BYTES  1024U
#define SLOT_BYTES  (16U * 1024U)
#define FLASH_BYTES (2U * SLOT_BYTES + 2U * PAGE_BYTES)

int LLVMFuzzerInitialize(int *count, char ***arguments);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

const char ei_hal_board[] = "fuzz";
const bool ei_hal_simulated = true;
const ei_flash_layout ei_hal_layout = {
    .slot_offset = {0, SLOT_BYTES},
    .slot_bytes = SLOT_BYTES,
    .state_offset = {2 * SLOT_BYTES, 2 * SLOT_BYTES + PAGE_BYTES},
    .page_bytes = PAGE_BYTES,
};

static uint8_t first_flash[FLASH_BYTES], flash[FLASH_BYTES] __attribute__((aligned(16)));
static const uint8_t *input;
static uint32_t input_bytes;
static uint64_t now_ns;

uint32_t ei_hal_uart_read(uint8_t *to, uint32_t most) {
    const uint32_t count = input_bytes < most ? input_bytes : most;
    memcpy(to, input, count);
    input += count;
    input_bytes -= count;
    return count;
}

void ei_hal_uart_write(const uint8_t *from, uint32_t bytes) {
    static volatile uint8_t sink; /* every byte that is sent is read */
    for (uint32_t i = 0; i < bytes; i++) {
        sink = (uint8_t)(sink ^ from[i]);
    }
}

uint64_t ei_hal_now_ns(void) {
    return now_ns += 1000;
}

const uint8_t *ei_hal_flash(void) {
    return flash;
}

bool ei_hal_flash_erase(uint32_t offset) {
    if (offset % PAGE_BYTES || offset >= FLASH_BYTES) {
        abort();
    }
    memset(flash + offset, 0xFF, PAGE_BYTES);
    return true;
}

bool ei_hal_flash_write(uint32_t offset, const uint8_t *from, uint32_t bytes) {
    if (offset > FLASH_BYTES || bytes > FLASH_BYTES - offset || offset % EI_FLASH_WRITE_BYTES ||
        bytes % EI_FLASH_WRITE_BYTES) {
        abort();
    }
    memcpy(flash + offset, from, bytes);
    return true;
}

bool ei_hal_i2c_write(uint8_t address, uint8_t reg, uint16_t value) {
    return address && reg == 0 && value;
}

bool ei_hal_i2c_read(uint8_t address, uint8_t reg, uint16_t *value) {
    *value = reg == 0 ? 0x199F : (uint16_t)(now_ns >> 10);
    return address != 0;
}

uint32_t ei_hal_clock_khz(void) {
    return 80000;
}

void ei_hal_watchdog_feed(void) {}

void ei_hal_reset(void) {
    ei_device_start(0x40, 100000);
}

int LLVMFuzzerInitialize(int *count, char ***arguments) {
    (void)count;
    (void)arguments;
    memset(first_flash, 0xFF, sizeof first_flash);
    FILE *bundle = fopen(getenv("FUZZ_BUNDLE") ? getenv("FUZZ_BUNDLE") : "", "rb");
    if (bundle == NULL || fread(first_flash, 1, SLOT_BYTES, bundle) == 0) {
        abort();
    }
    return fclose(bundle);
}

static void send_raw(const uint8_t *data, uint32_t bytes) {
    input = data;
    input_bytes = bytes;
    do {
        ei_device_poll();
    } while (input_bytes > 0);
}

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
    send_raw(stuffed, at);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    memcpy(flash, first_flash, sizeof flash);
    ei_device_start(0x40, 100000);
    for (size_t at = 0; at < size;) {
        const uint32_t wanted = data[at] & 127U, left = (uint32_t)(size - at - 1);
        const uint32_t bytes = wanted < left ? wanted : left;
        if (data[at] < 128) {
            send_raw(data + at + 1, bytes);
        } else {
            send_message(data + at + 1, bytes);
        }
        at += 1 + bytes;
    }
    return 0;
}
