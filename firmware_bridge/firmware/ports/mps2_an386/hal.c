/* The HAL on the MPS2 AN386. Its "flash" is RAM that is treated as flash would want it. */
#include "edge_infer/hal.h"

#include <string.h>

#include "board.h"

#define FLASH_BASE  0x00020000U
#define PAGE_BYTES  0x1000U
#define SLOT_BYTES  0x6E000U
#define NS_PER_TICK (1000000000U / BOARD_CLOCK_HZ)

const char einf_hal_board[] = "qemu-mps2-an386";
const bool einf_hal_simulated = true;

const einf_flash_layout einf_hal_layout = {
    .slot_offset = {0, SLOT_BYTES},
    .slot_bytes = SLOT_BYTES,
    .state_offset = {2 * SLOT_BYTES, 2 * SLOT_BYTES + PAGE_BYTES},
    .page_bytes = PAGE_BYTES,
};

uint32_t einf_hal_uart_read(uint8_t *to, uint32_t most) {
    uint32_t count = 0;
    while (count < most && (UART_STATE & UART_RX_FULL)) {
        to[count++] = (uint8_t)UART_DATA;
    }
    return count;
}

void einf_hal_uart_write(const uint8_t *from, uint32_t bytes) {
    for (uint32_t i = 0; i < bytes; i++) {
        while (UART_STATE & UART_TX_FULL) {
        }
        UART_DATA = from[i];
    }
}

uint64_t einf_hal_now_ns(void) {
    return board_ticks() * NS_PER_TICK;
}

const uint8_t *einf_hal_flash(void) {
    return (const uint8_t *)(uintptr_t)FLASH_BASE;
}

bool einf_hal_flash_erase(uint32_t offset) {
    memset((uint8_t *)(uintptr_t)(FLASH_BASE + offset), 0xFF, PAGE_BYTES);
    return true;
}

bool einf_hal_flash_write(uint32_t offset, const uint8_t *from, uint32_t bytes) {
    uint8_t *flash = (uint8_t *)(uintptr_t)(FLASH_BASE + offset);
    for (uint32_t i = 0; i < bytes; i++) {
        flash[i] &= from[i]; /* flash only clears bits */
    }
    return memcmp(flash, from, bytes) == 0;
}

bool einf_hal_i2c_write(uint8_t address, uint8_t reg, uint16_t value) {
    (void)address;
    (void)reg;
    (void)value;
    return false; /* QEMU has no INA219 */
}

bool einf_hal_i2c_read(uint8_t address, uint8_t reg, uint16_t *value) {
    (void)address;
    (void)reg;
    *value = 0;
    return false;
}

const uint32_t einf_hal_clocks_khz[] = {BOARD_CLOCK_HZ / 4000U, BOARD_CLOCK_HZ / 2000U,
                                        BOARD_CLOCK_HZ / 1000U};
const uint32_t einf_hal_clock_count = 3;

/* Read or write clock generator 0, twice the processor's clock; false where there is none. */
static bool call_scc(uint32_t how) {
    SCC_CONFIG_STATE = 0;
    SCC_CONFIG_CALL = SCC_CONFIG_START | SCC_CONFIG_CLOCKS | how;
    while (!(SCC_CONFIG_STATE & SCC_CONFIG_DONE)) {
    }
    return !(SCC_CONFIG_STATE & SCC_CONFIG_ERROR);
}

uint32_t einf_hal_clock_khz(void) {
    return call_scc(0) ? SCC_CONFIG_IN / 2000U : BOARD_CLOCK_HZ / 1000U;
}

/* The emulator keeps the generator's number and goes on as fast as before. */
uint32_t einf_hal_clock_set_khz(uint32_t khz) {
    SCC_CONFIG_OUT = khz * 2000U;
    (void)call_scc(SCC_CONFIG_WRITE);
    return einf_hal_clock_khz();
}

void einf_hal_watchdog_feed(void) {}

void einf_hal_reset(void) {
    AIRCR = AIRCR_SYSTEM_RESET;
    for (;;) {
    }
}
