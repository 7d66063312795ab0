/**
 * @file
 * The clock in force, and how long each was.
 */
#ifndef EDGE_INFER_CLOCK_H
#define EDGE_INFER_CLOCK_H

#include <stdint.h>

#include "power_log.h"

/** Clocks whose time is told apart; what a board offers beyond counts as the last. */
#define MAX_CLOCKS 16U

/** Time at each clock since `clock_begin`. */
typedef struct {
    uint32_t count;
    uint32_t khz[MAX_CLOCKS];
    uint64_t ns[MAX_CLOCKS];
    uint64_t since_ns;
    uint32_t switches;
} clock;

/** Begin to count anew. */
void clock_begin(clock *c);

/** Set the board's clock if it is another, and log what it is then; returns it. */
uint32_t clock_set(clock *c, power_log *log, uint32_t khz);

/** Count the time up to now. */
void clock_count(clock *c);

#endif
