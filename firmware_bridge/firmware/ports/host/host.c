/*
 * The device as a program of this computer: a pty for the serial line, a file for the flash.
 *
 *     edge-infer-device FLASH_FILE
 *
 * prints the name of its pty and serves until it is ended.
 */
#define _XOPEN_SOURCE 700

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "edge_infer/device.h"

#define PAGE_BYTES  0x1000U
#define SLOT_BYTES  (4U << 20)
#define FLASH_BYTES (2U * SLOT_BYTES + 2U * PAGE_BYTES)
#define IDLE_MS     20

const char einf_hal_board[] = "host-c";
const bool einf_hal_simulated = false;

const einf_flash_layout einf_hal_layout = {
    .slot_offset = {0, SLOT_BYTES},
    .slot_bytes = SLOT_BYTES,
    .state_offset = {2 * SLOT_BYTES, 2 * SLOT_BYTES + PAGE_BYTES},
    .page_bytes = PAGE_BYTES,
};

static int line;
static uint8_t *flash;
static bool reset_wanted;

uint32_t einf_hal_uart_read(uint8_t *to, uint32_t most) {
    struct pollfd wait = {.fd = line, .events = POLLIN};
    if (poll(&wait, 1, IDLE_MS) <= 0 || !(wait.revents & POLLIN)) {
        return 0;
    }
    const ssize_t count = read(line, to, most);
    return count > 0 ? (uint32_t)count : 0;
}

void einf_hal_uart_write(const uint8_t *from, uint32_t bytes) {
    while (bytes > 0) {
        const ssize_t count = write(line, from, bytes);
        if (count <= 0) {
            return; /* nobody listens */
        }
        from += count;
        bytes -= (uint32_t)count;
    }
}

uint64_t einf_hal_now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

const uint8_t *einf_hal_flash(void) {
    return flash;
}

bool einf_hal_flash_erase(uint32_t offset) {
    memset(flash + offset, 0xFF, PAGE_BYTES);
    return true;
}

bool einf_hal_flash_write(uint32_t offset, const uint8_t *from, uint32_t bytes) {
    for (uint32_t i = 0; i < bytes; i++) {
        flash[offset + i] &= from[i]; /* flash only clears bits */
    }
    return memcmp(flash + offset, from, bytes) == 0;
}

bool einf_hal_i2c_write(uint8_t address, uint8_t reg, uint16_t value) {
    (void)address;
    (void)reg;
    (void)value;
    return false;
}

bool einf_hal_i2c_read(uint8_t address, uint8_t reg, uint16_t *value) {
    (void)address;
    (void)reg;
    *value = 0;
    return false;
}

const uint32_t einf_hal_clocks_khz[] = {1000000}; /* nominal: this computer's clock varies */
const uint32_t einf_hal_clock_count = 1;

uint32_t einf_hal_clock_khz(void) {
    return einf_hal_clocks_khz[0];
}

uint32_t einf_hal_clock_set_khz(uint32_t khz) {
    (void)khz;
    return einf_hal_clock_khz();
}

void einf_hal_watchdog_feed(void) {}

void einf_hal_reset(void) {
    reset_wanted = true;
}

static int fail(const char *what) {
    perror(what);
    return 1;
}

static int open_flash(const char *path) {
    const int file = open(path, O_RDWR | O_CREAT, 0600);
    if (file < 0 || ftruncate(file, FLASH_BYTES) != 0) {
        return fail(path);
    }
    flash = mmap(NULL, FLASH_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    return flash == MAP_FAILED ? fail(path) : 0;
}

static int open_line(void) {
    struct termios raw;
    line = posix_openpt(O_RDWR | O_NOCTTY);
    if (line < 0 || grantpt(line) != 0 || unlockpt(line) != 0) {
        return fail("pty");
    }
    /* Held open: a terminal whose last user leaves would report an error here. */
    const int held = open(ptsname(line), O_RDWR | O_NOCTTY);
    if (held < 0 || tcgetattr(held, &raw) != 0) {
        return fail("pty");
    }
    raw.c_iflag = raw.c_oflag = raw.c_lflag = 0;
    raw.c_cflag = CS8 | CREAD | CLOCAL;
    raw.c_cc[VMIN] = 1;
    if (tcsetattr(held, TCSANOW, &raw) != 0) {
        return fail("pty");
    }
    return printf("%s\n", ptsname(line)) < 0 || fflush(stdout) != 0 ? fail("stdout") : 0;
}

int main(int count, char **arguments) {
    if (count != 2) {
        (void)fprintf(stderr, "usage: %s FLASH_FILE\n", arguments[0]);
        return 2;
    }
    if (open_flash(arguments[1]) != 0 || open_line() != 0) {
        return 1;
    }
    for (;;) {
        einf_device_start(0, 0);
        for (reset_wanted = false; !reset_wanted;) {
            einf_device_poll();
        }
    }
}
