/*
 * The whole device over a HAL that the test is in command of. A request: one byte, a uint32, and
 * as many bytes where the request has data. The answer: a uint32 and as many bytes of UART output.
 *
 *     F bytes  feed them to the line           T us     let time pass, poll once
 *     R 0      power off and on                C n      cut the power at the n-th flash operation
 *     I 6n     set I2C registers: register, value (uint16 each); n of 0 removes the chip
 *     L bytes  replace the flash               D 0      answer the flash
 *     P n      poll n times                   S ns     each look at the clock takes so long
 *     K 32     trust this key alone; 0 bytes: everybody
 *
 * Flash is NOR: a page is erased to 0xff, what is not erased cannot be written. A cut leaves the
 * page or the 8 bytes under way as random as it likes, and nothing after it happens.
 */
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include "driver_io.h"
#include "edge_infer/device.h"

#define PAGE_BYTES  1024U
#define SLOT_BYTES  (192U * 1024U)
#define FLASH_BYTES (2U * SLOT_BYTES + 2U * PAGE_BYTES)
#define OUTPUT_MOST (1U << 20)

const char einf_hal_board[] = "runner";
const bool einf_hal_simulated = true;
const einf_flash_layout einf_hal_layout = {
    .slot_offset = {0, SLOT_BYTES},
    .slot_bytes = SLOT_BYTES,
    .state_offset = {2 * SLOT_BYTES, 2 * SLOT_BYTES + PAGE_BYTES},
    .page_bytes = PAGE_BYTES,
};

static uint8_t flash[FLASH_BYTES] __attribute__((aligned(16)));
static uint8_t input[FLASH_BYTES + OUTPUT_MOST];
static uint32_t input_bytes, input_at;
static uint8_t output[OUTPUT_MOST];
static uint32_t output_bytes;
static uint64_t now_ns;
static uint32_t random_state = 1;
static uint32_t cut_after; /* 0: no cut */
static jmp_buf power_off;
static bool reset_wanted, chip;
static uint16_t registers[8];

static uint8_t random_byte(void) {
    random_state = random_state * 1664525U + 1013904223U;
    return (uint8_t)(random_state >> 24);
}

static bool power_fails(void) {
    return cut_after > 0 && --cut_after == 0;
}

uint32_t einf_hal_uart_read(uint8_t *to, uint32_t most) {
    const uint32_t left = input_bytes - input_at, count = left < most ? left : most;
    memcpy(to, input + input_at, count);
    input_at += count;
    return count;
}

void einf_hal_uart_write(const uint8_t *from, uint32_t bytes) {
    if (bytes > OUTPUT_MOST - output_bytes) {
        abort();
    }
    memcpy(output + output_bytes, from, bytes);
    output_bytes += bytes;
}

static uint32_t slowness_ns; /* that each look at the clock takes */

uint64_t einf_hal_now_ns(void) {
    return now_ns += slowness_ns;
}

const uint8_t *einf_hal_flash(void) {
    return flash;
}

bool einf_hal_flash_erase(uint32_t offset) {
    if (offset % PAGE_BYTES != 0 || offset >= FLASH_BYTES) {
        abort();
    }
    if (power_fails()) {
        for (uint32_t i = 0; i < PAGE_BYTES; i++) {
            flash[offset + i] |= random_byte();
        }
        longjmp(power_off, 1);
    }
    memset(flash + offset, 0xFF, PAGE_BYTES);
    return true;
}

bool einf_hal_flash_write(uint32_t offset, const uint8_t *from, uint32_t bytes) {
    if (offset % EINF_FLASH_WRITE_BYTES || bytes % EINF_FLASH_WRITE_BYTES ||
        bytes > FLASH_BYTES - offset) {
        abort();
    }
    for (uint32_t at = 0; at < bytes; at++) {
        if (flash[offset + at] != 0xFF) {
            abort(); /* not erased */
        }
        if (at % EINF_FLASH_WRITE_BYTES == 0 && power_fails()) {
            for (uint32_t i = 0; i < EINF_FLASH_WRITE_BYTES; i++) {
                flash[offset + at + i] = (uint8_t)(from[at + i] | random_byte());
            }
            longjmp(power_off, 1);
        }
        flash[offset + at] = from[at];
    }
    return true;
}

bool einf_hal_i2c_write(uint8_t address, uint8_t reg, uint16_t value) {
    if (!chip || address != 0x40 || reg >= 8) {
        return false;
    }
    registers[reg] = value;
    return true;
}

bool einf_hal_i2c_read(uint8_t address, uint8_t reg, uint16_t *value) {
    if (!chip || address != 0x40 || reg >= 8) {
        return false;
    }
    *value = registers[reg];
    if (reg == 3) {
        registers[2] &= (uint16_t)~2U; /* reading power clears conversion ready */
    }
    return true;
}

const uint32_t einf_hal_clocks_khz[] = {20000, 40000, 80000};
const uint32_t einf_hal_clock_count = 3;
static uint32_t clock_khz = 80000;

uint32_t einf_hal_clock_khz(void) {
    return clock_khz;
}

uint32_t einf_hal_clock_set_khz(uint32_t khz) {
    return clock_khz = khz;
}

static uint8_t trusted[32];
static bool trusts;

const uint8_t *einf_hal_trusted_key(uint32_t index) {
    return index == 0 && trusts ? trusted : NULL;
}

void einf_hal_watchdog_feed(void) {}

void einf_hal_reset(void) {
    reset_wanted = true;
}

/* Starts, or starts again when a bundle asked for it or the power failed under way. */
static void power_on(void) {
    if (setjmp(power_off) != 0) {
        cut_after = 0;
    }
    reset_wanted = false;
    einf_device_start(0x40, 100000);
}

static void poll_once(void) {
    now_ns += 1000;
    einf_device_poll();
    if (reset_wanted) { /* what else was on the line is lost, as is the jump of `feed` */
        input_at = input_bytes;
        power_on();
    }
}

/* Polls until the line is empty; a cut loses what was said and starts the device again. */
static void feed(uint32_t bytes) {
    input_bytes = bytes;
    input_at = 0;
    if (setjmp(power_off) != 0) {
        input_at = input_bytes;
        power_on();
        output_bytes = 0;
        return;
    }
    do {
        poll_once();
    } while (input_at < input_bytes);
}

static void set_registers(uint32_t bytes) {
    chip = bytes > 0;
    for (uint32_t at = 0; at + 4 <= bytes; at += 4) {
        registers[input[at] & 7] = (uint16_t)(input[at + 2] | input[at + 3] << 8);
    }
}

static void serve(uint8_t request, uint32_t number) {
    switch (request) {
    case 'F':
        feed(number);
        return;
    case 'T':
        now_ns += (uint64_t)number * 1000;
        feed(0);
        return;
    case 'P':
        for (uint32_t i = 0; i < number; i++) {
            feed(0);
        }
        return;
    case 'R':
        power_on();
        return;
    case 'C':
        cut_after = number;
        return;
    case 'I':
        set_registers(number);
        return;
    case 'S':
        slowness_ns = number;
        return;
    case 'L':
        memcpy(flash, input, number < FLASH_BYTES ? number : FLASH_BYTES);
        return;
    case 'K':
        trusts = number == sizeof trusted;
        memcpy(trusted, input, trusts ? sizeof trusted : 0);
        return;
    case 'D':
        memcpy(output, flash, FLASH_BYTES);
        output_bytes = FLASH_BYTES;
        return;
    default:
        finish(2);
    }
}

int main(void) {
    uint8_t request;
    uint32_t number;
    memset(flash, 0xFF, sizeof flash);
    while (read_exact(&request, 1) && read_exact(&number, sizeof number)) {
        const bool data = strchr("FILK", request) != NULL;
        if (data && (number > sizeof input || !read_exact(input, number))) {
            finish(2);
        }
        output_bytes = 0;
        serve(request, number);
        write_exact(&output_bytes, sizeof output_bytes);
        write_exact(output, output_bytes);
    }
    finish(0);
    return 0;
}
