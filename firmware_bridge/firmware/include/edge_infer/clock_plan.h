/**
 * @file
 * clock_plan.bin: which clock to run a stage at, solved ahead of time for one board.
 *
 * A plan of runtime/planning/planner.py: the clock of the next stage by the bin of the predictor,
 * the clock in force and the time since the frame arrived. Little endian. Written by
 * firmware_bridge/image/clock_plan.py.
 *
 *     Header, 32 bytes
 *      0  4  "EICP"
 *      4  1  version, 1
 *      5  1  stages, n
 *      6  1  bins, b; 1 where nothing is predicted
 *      7  1  clocks, c
 *      8  4  bytes of the table
 *     12  2  length of the board's name
 *     14  2  0
 *     16  4  its offset
 *     20  4  0
 *     24  8  deadline, ns from arrival to answer
 *     Clock, 8 bytes, c times, ascending
 *      0  4  kHz
 *      4  4  ns that predicting and looking up take at this clock after the first stage
 *     Row, 8 bytes, (1 + (n - 1) * b + 1) * c times: of the first stage; of each later stage by
 *     bin; of the wait for the next frame; each by the clock in force
 *      0  4  offset of its runs
 *      4  4  runs, at least one
 *     Run, 12 bytes
 *      0  8  longest time since arrival that it holds for, ns; the last run also holds beyond
 *      8  4  index of the clock
 */
#ifndef EINF_CLOCK_PLAN_H
#define EINF_CLOCK_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "edge_infer/status.h"

/** Name of the entry in a bundle file. */
#define EINF_CLOCK_PLAN_FILE "clock_plan.bin"

/** A sound plan, in place; of no stages where a bundle has none. */
typedef struct {
    uint32_t stages;
    uint32_t bins;
    uint32_t clock_count;
    uint64_t deadline_ns;
    const char *board; /**< Not terminated. */
    uint32_t board_bytes;
    const uint8_t *table;
    const uint8_t *clocks;
    const uint8_t *rows;
} einf_clock_plan;

/**
 * Read a table in place: every row and run is checked.
 *
 * @retval EINF_UNSUPPORTED a version that this firmware does not know
 * @retval EINF_TRUNCATED, EINF_CORRUPT
 */
einf_status einf_clock_plan_open(einf_clock_plan *plan, const uint8_t *table, uint32_t size);

/** Whether it was made for the board of this name. */
bool einf_clock_plan_is_for(const einf_clock_plan *plan, const char *board);

/** Clock of an index, kHz. */
uint32_t einf_clock_plan_khz(const einf_clock_plan *plan, uint32_t clock);

/** Index of a clock; `otherwise` when it is none of the plan's. */
uint32_t einf_clock_plan_index(const einf_clock_plan *plan, uint32_t khz, uint32_t otherwise);

/** Time that predicting and looking up take after the first stage at a clock, ns. */
uint32_t einf_clock_plan_overhead_ns(const einf_clock_plan *plan, uint32_t clock);

/** Index of the clock for the first stage, given the one in force and the time since arrival. */
uint32_t einf_clock_plan_first(const einf_clock_plan *plan, uint32_t clock, uint64_t age_ns);

/** The same for a later stage, 1 and on. */
uint32_t einf_clock_plan_later(const einf_clock_plan *plan, uint32_t stage, uint32_t bin,
                               uint32_t clock, uint64_t age_ns);

/** The same for the wait after the answer. */
uint32_t einf_clock_plan_idle(const einf_clock_plan *plan, uint32_t clock, uint64_t age_ns);

#endif
