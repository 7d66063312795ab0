#include "worker/clock_residency.h"

#include <string.h>

#include "edge_infer/hal.h"

void einf_residency_begin(einf_residency *r) {
    memset(r, 0, sizeof *r);
    r->since_ns = einf_hal_now_ns();
}

static uint32_t place_of(einf_residency *r, uint32_t khz) {
    for (uint32_t i = 0; i < r->count; i++) {
        if (r->khz[i] == khz) {
            return i;
        }
    }
    if (r->count < EINF_MAX_CLOCKS) {
        r->khz[r->count++] = khz;
    }
    return r->count - 1;
}

void einf_residency_count(einf_residency *r) {
    const uint64_t now_ns = einf_hal_now_ns();
    r->ns[place_of(r, einf_hal_clock_khz())] += now_ns - r->since_ns;
    r->since_ns = now_ns;
}

uint32_t einf_residency_set_clock(einf_residency *r, einf_power_log *log, uint32_t khz) {
    const uint32_t before = einf_hal_clock_khz();
    if (khz == before) {
        return khz;
    }
    einf_residency_count(r);
    const uint32_t after = einf_hal_clock_set_khz(khz);
    if (after != before) {
        r->switches++;
        einf_log_mark(log, EINF_LOG_CLOCK_KHZ, einf_hal_now_ns(), after);
    }
    return after;
}
