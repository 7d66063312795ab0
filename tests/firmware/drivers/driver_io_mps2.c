/* Streams and the end over semihosting (Arm, "Semihosting for AArch32 and AArch64"). */
#include "driver_io.h"

#include "board.h"

enum { SYS_OPEN = 0x01, SYS_WRITE = 0x05, SYS_READ = 0x06, SYS_EXIT = 0x18 };
enum { MODE_READ = 0, MODE_WRITE = 4 };
enum { EXIT_SUCCESS_REASON = 0x20026, EXIT_ERROR_REASON = 0x20023 };

static int32_t call(uint32_t operation, const void *argument) {
    register uint32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return (int32_t)r0;
}

static int32_t console(uint32_t mode) {
    const uintptr_t argument[3] = {(uintptr_t) ":tt", mode, 3};
    return call(SYS_OPEN, argument);
}

bool read_exact(void *data, uint32_t bytes) {
    static int32_t in = -1;
    in = in < 0 ? console(MODE_READ) : in;
    for (uint32_t done = 0; done < bytes;) {
        const uintptr_t argument[3] = {(uintptr_t)in, (uintptr_t)data + done, bytes - done};
        const uint32_t left = (uint32_t)call(SYS_READ, argument);
        if (left >= bytes - done) {
            return false;
        }
        done = bytes - left;
    }
    return true;
}

void write_exact(const void *data, uint32_t bytes) {
    static int32_t out = -1;
    out = out < 0 ? console(MODE_WRITE) : out;
    const uintptr_t argument[3] = {(uintptr_t)out, (uintptr_t)data, bytes};
    if (call(SYS_WRITE, argument) != 0) {
        finish(2);
    }
}

uint32_t ticks(void) {
    return (uint32_t)board_ticks();
}

void finish(int code) {
    call(SYS_EXIT, (const void *)(uintptr_t)(code ? EXIT_ERROR_REASON : EXIT_SUCCESS_REASON));
}
