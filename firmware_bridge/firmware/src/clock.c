#include "clock.h"

#include <string.h>

#include "edge_infer/hal.h"

void einf_residency_begin(einf_residency *c) {
    memset(c, 0, sizeof *c);
    c->since_ns = einf_hal_now_ns();
}

static uint32_t place_of(einf_residency *c, uint32_t khz) {
    for (uint32_t i = 0; i < c->count; i++) {
        if (c->khz[i] == khz) {
            return i;
        }
    }
    if (c->count < EINF_MAX_CLOCKS) {
        c->khz[c->count++] = khz;
    }
    return c->count - 1;
}

void einf_residency_count(einf_residency *c) {
    const uint64_t now_ns = einf_hal_now_ns();
    c->ns[place_of(c, einf_hal_clock_khz())] += now_ns - c->since_ns;
    c->since_ns = now_ns;
}

uint32_t einf_residency_set_clock(einf_residency *c, einf_power_log *log, uint32_t khz) {
    const uint32_t before = einf_hal_clock_khz();
    if (khz == before) {
        return khz;
    }
    einf_residency_count(c);
    const uint32_t after = einf_hal_clock_set_khz(khz);
    if (after != before) {
        c->switches++;
        einf_log_mark(log, EINF_LOG_CLOCK_KHZ, einf_hal_now_ns(), after);
    }
    return after;
}
