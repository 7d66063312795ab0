/**
 * @file
 * The clock in force, and how long each was.
 */
#ifndef EINF_CLOCK_RESIDENCY_H
#define EINF_CLOCK_RESIDENCY_H

#include <stdint.h>

#include "worker/power_log.h"

/** Clocks whose time is told apart; what a board offers beyond counts as the last. */
#define EINF_MAX_CLOCKS 16U

/** Time at each clock since `einf_residency_begin`. */
typedef struct {
    uint32_t count;
    uint32_t khz[EINF_MAX_CLOCKS];
    uint64_t ns[EINF_MAX_CLOCKS];
    uint64_t since_ns;
    uint32_t switches;
} einf_residency;

/** Begin to count anew. */
void einf_residency_begin(einf_residency *r);

/** Set the board's clock if it is another, and log what it is then; returns it. */
uint32_t einf_residency_set_clock(einf_residency *r, einf_power_log *log, uint32_t khz);

/** Count the time up to now. */
void einf_residency_count(einf_residency *r);

#endif
