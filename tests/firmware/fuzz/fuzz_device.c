/* The device that is fuzzed: memory for flash, and the bundle that FUZZ_BUNDLE
 * names in slot 0. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "edge_infer/device.h"
#include "edge_infer/hal.h"
#include "fuzz_device.h"

#define PAGE_BYTES  1024U
#define SLOT_BYTES  (16U * 1024U)
#define FLASH_BYTES (2U * SLOT_BYTES + 2U * PAGE_BYTES)

const char einf_hal_board[] = "fuzz";
const bool einf_hal_simulated = true;
const einf_flash_layout einf_hal_layout = {
    .slot_offset = {0, SLOT_BYTES},
    .slot_bytes = SLOT_BYTES,
    .state_offset = {2 * SLOT_BYTES, 2 * SLOT_BYTES + PAGE_BYTES},
    .page_bytes = PAGE_BYTES,
};

static uint8_t first_flash[FLASH_BYTES], flash[FLASH_BYTES] __attribute__((aligned(16)));
static const uint8_t *input;
static uint32_t input_bytes;
static uint64_t now_ns;

uint32_t einf_hal_uart_read(uint8_t *to, uint32_t most) {
    const uint32_t count = input_bytes < most ? input_bytes : most;
    memcpy(to, input, count);
    input += count;
    input_bytes -= count;
    return count;
}

void einf_hal_uart_write(const uint8_t *from, uint32_t bytes) {
    static volatile uint8_t sink; /* every byte that is sent is read */
    for (uint32_t i = 0; i < bytes; i++) {
        sink = (uint8_t)(sink ^ from[i]);
    }
}

uint64_t einf_hal_now_ns(void) {
    return now_ns += 1000;
}

const uint8_t *einf_hal_flash(void) {
    return flash;
}

bool einf_hal_flash_erase(uint32_t offset) {
    if (offset % PAGE_BYTES || offset >= FLASH_BYTES) {
        abort();
    }
    memset(flash + offset, 0xFF, PAGE_BYTES);
    return true;
}

bool einf_hal_flash_write(uint32_t offset, const uint8_t *from, uint32_t bytes) {
    if (offset > FLASH_BYTES || bytes > FLASH_BYTES - offset || offset % EINF_FLASH_WRITE_BYTES ||
        bytes % EINF_FLASH_WRITE_BYTES) {
        abort();
    }
    memcpy(flash + offset, from, bytes);
    return true;
}

bool einf_hal_i2c_write(uint8_t address, uint8_t reg, uint16_t value) {
    return address && reg == 0 && value;
}

bool einf_hal_i2c_read(uint8_t address, uint8_t reg, uint16_t *value) {
    *value = reg == 0 ? 0x199F : (uint16_t)(now_ns >> 10);
    return address != 0;
}

const uint32_t einf_hal_clocks_khz[] = {20000, 80000};
const uint32_t einf_hal_clock_count = 2;
static uint32_t clock_khz = 80000;

uint32_t einf_hal_clock_khz(void) {
    return clock_khz;
}

uint32_t einf_hal_clock_set_khz(uint32_t khz) {
    return clock_khz = khz;
}

const uint8_t *einf_hal_trusted_key(uint32_t index) {
    (void)index;
    return NULL;
}

void einf_hal_watchdog_feed(void) {}

void einf_hal_reset(void) {
    einf_device_start(0x40, 100000);
}

int LLVMFuzzerInitialize(int *count, char ***arguments);

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

void fuzz_send(const uint8_t *data, uint32_t bytes) {
    input = data;
    input_bytes = bytes;
    do {
        einf_device_poll();
    } while (input_bytes > 0);
}

void fuzz_start(void) {
    memcpy(flash, first_flash, sizeof flash);
    einf_device_start(0x40, 100000);
}
