#include "clock.h"

#include <string.h>

#include "edge_infer/hal.h"

void clock_begin(clock *c) {
    memset(c, 0, sizeof *c);
    c->since_ns = ei_hal_now_ns();
}

static uint32_t place_of(clock *c, uint32_t khz) {
    for (uint32_t i = 0; i < c->count; i++) {
        if (c->khz[i] == khz) {
            return i;
        }
    }
    if (c->count < MAX_CLOCKS) {
        c->khz[c->count++] = khz;
    }
    return c->count - 1;
}

void clock_count(clock *c) {
    const uint64_t now_ns = ei_hal_now_ns();
    c->ns[place_of(c, ei_hal_clock_khz())] += now_ns - c->since_ns;
    c->since_ns = now_ns;
}

uint32_t clock_set(clock *c, power_log *log, uint32_t khz) {
    const uint32_t before = ei_hal_clock_khz();
    if (khz == before) {
        return khz;
    }
    clock_count(c);
    const uint32_t after = ei_hal_clock_set_khz(khz);
    if (after != before) {
        c->switches++;
        log_mark(log, LOG_CLOCK_KHZ, ei_hal_now_ns(), after);
    }
    return after;
}
