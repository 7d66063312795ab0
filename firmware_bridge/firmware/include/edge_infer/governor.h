/**
 * @file
 * The planned policy: chooses each stage's clock by the bundle's plan and predictor, and where to
 * leave before a threshold says so if the plan does.
 *
 * Decides as runtime/governors/planned.py and leaving.py do without calibration: it does not learn.
 * Stages are judged by `einf_bundle_run_stage`; setting a clock is the caller's, which tells the
 * one in force.
 */
#ifndef EINF_GOVERNOR_H
#define EINF_GOVERNOR_H

#include "edge_infer/bundle.h"

/** The governor of one bundle. */
typedef struct {
    const einf_bundle *bundle;
    bool predicts;
    uint32_t clock; /**< Index of the clock in force, by the plan. */
    uint32_t bin;   /**< Of the frame, once its first stage has run. */
    int64_t saved;  /**< To be lost, millionths of a percentage point; below 0 a debt. */
    int32_t lost;   /**< By the frame, if the plan made it leave. */
    bool forced;    /**< It did. */
} einf_governor;

/**
 * Govern a bundle.
 *
 * @retval EINF_NO_ENTRY its file carries no plan for this board that this firmware knows
 * @retval EINF_CORRUPT the plan has other stages than the bundle, or other bins than the predictor
 */
einf_status einf_governor_start(einf_governor *governor, const einf_bundle *bundle,
                                const char *board, uint32_t khz);

/** Clock for the first stage, kHz, by the time since the frame arrived. */
uint32_t einf_governor_first_khz(einf_governor *governor, uint64_t age_ns);

/**
 * Clock for the stage after `stage`, which has just run and did not leave. Predicts after the
 * first one; the time that this takes is in the plan.
 *
 * @param age_ns from the frame's arrival to the stage's end.
 */
uint32_t einf_governor_next_khz(einf_governor *governor, uint32_t stage, uint64_t age_ns);

/**
 * Whether the frame leaves after `stage`, which has just run and whose threshold says stay.
 *
 * @param age_ns from the frame's arrival to the stage's end.
 */
bool einf_governor_leaves(einf_governor *governor, uint32_t stage, int32_t confidence,
                          uint64_t age_ns);

/** The frame was answered at an exit: account for what that loses. */
void einf_governor_answered(einf_governor *governor, uint32_t exit);

/** Clock to wait for the next frame at, by the age of the answer. */
uint32_t einf_governor_idle_khz(einf_governor *governor, uint64_t age_ns);

/** The clock that is in force indeed. */
void einf_governor_clock_is(einf_governor *governor, uint32_t khz);

#endif
