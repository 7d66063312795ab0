/**
 * @file
 * clock_plan.bin: which clock to run a stage at, solved ahead of time for one board.
 *
 * A plan of runtime/planning/planner.py: the clock of the next stage by the bin of the predictor,
 * the clock in force and the time since the frame arrived. In version 2 bins are of the confidence
 * at the exit before, and the plan may say to leave there. Little endian. Written by
 * firmware_bridge/image/clock_plan.py.
 *
 *     Header, 32 bytes
 *      0  4  "EICP"
 *      4  1  version, 1 or 2
 *      5  1  stages, n
 *      6  1  bins, b; 1 where nothing is predicted; of the exit with the most
 *      7  1  clocks, c
 *      8  4  bytes of the table
 *     12  2  length of the board's name
 *     14  2  0
 *     16  4  its offset
 *     20  4  offset of the losses; 0 in version 1
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
 *      8  4  index of the clock; 256 more to leave before the stage, where losses allow it
 *     Losses, of version 2, int32, in millionths of a percentage point of accuracy
 *      what each frame pays in
 *      of each exit but the last: b - 1 bounds, ascending, in units of the confidence: a bin begins
 *      at its bound; b losses of leaving there in each bin; the loss of leaving by the threshold
 *      the same of the last exit
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
    bool leaves;       /**< It says where to leave, too. */
    const char *board; /**< Not terminated. */
    uint32_t board_bytes;
    const uint8_t *table;
    const uint8_t *clocks;
    const uint8_t *rows;
    const uint8_t *losses;
} einf_clock_plan;

/** Added to the clock of a later stage where the frame leaves instead. */
#define EINF_PLAN_LEAVES 256U

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

/** The same for a later stage, 1 and on; `EINF_PLAN_LEAVES` more to leave before it. */
uint32_t einf_clock_plan_later(const einf_clock_plan *plan, uint32_t stage, uint32_t bin,
                               uint32_t clock, uint64_t age_ns);

/** Bin of a frame that stays at an exit with a confidence; 0 in a plan that never leaves. */
uint32_t einf_clock_plan_bin(const einf_clock_plan *plan, uint32_t exit, int32_t confidence);

/** What each frame pays in to be lost, millionths of a point; of a plan that leaves. */
int32_t einf_clock_plan_pays_in(const einf_clock_plan *plan);

/** What leaving at an exit loses by its threshold. */
int32_t einf_clock_plan_tuned_loss(const einf_clock_plan *plan, uint32_t exit);

/** What leaving at an exit but the last loses in a bin, where the threshold says stay. */
int32_t einf_clock_plan_forced_loss(const einf_clock_plan *plan, uint32_t exit, uint32_t bin);

/** The same for the wait after the answer. */
uint32_t einf_clock_plan_idle(const einf_clock_plan *plan, uint32_t clock, uint64_t age_ns);

#endif
