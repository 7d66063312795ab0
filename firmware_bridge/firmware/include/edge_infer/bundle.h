/**
 * @file
 * A bundle file, opened in place, and run stage by stage.
 */
#ifndef EINF_BUNDLE_H
#define EINF_BUNDLE_H

#include "edge_infer/clock_plan.h"
#include "edge_infer/decisions.h"
#include "edge_infer/graph.h"
#include "edge_infer/image.h"
#include "edge_infer/predictor.h"

/** An opened bundle; it points into the file and the arena. */
typedef struct {
    einf_image image;
    uint32_t ratio;
    einf_decisions decisions;
    einf_predictor predictor; /**< Of no bins without one that this firmware knows. */
    einf_clock_plan plan;     /**< Of no stages without one that this firmware knows. */
    einf_graph stages[EINF_MAX_STAGES];
    uint8_t *activations;      /**< Shared by all stages: the arena behind what is kept. */
    uint32_t activation_bytes; /**< The most that a stage needs. */
} einf_bundle;

/** What the exit of a stage says. */
typedef struct {
    bool leave;         /**< The answer is good enough, or this was the last stage. */
    uint16_t answer;    /**< Index of the label. */
    int32_t confidence; /**< In raw score units: margin to the second, or the top score. */
} einf_exit;

/**
 * Open a bundle: everything is checked before anything runs.
 *
 * @param bundle filled in.
 * @param file the bundle file, 16-byte aligned, such as a slot in flash; it stays.
 * @param size bytes that may be read there.
 * @param arena keeps the operators, then holds the activations.
 * @param ratio pruning ratio in millionths; EINF_FULL_WIDTH for the bundle as it is. Predictor and
 *        plan are of the full width: at another ratio there are none.
 * @retval EINF_TRUNCATED, EINF_CORRUPT, EINF_HASH, EINF_NO_ENTRY, EINF_UNSUPPORTED, EINF_SHAPE,
 * EINF_TOO_MANY, EINF_ARENA
 */
einf_status einf_bundle_open(einf_bundle *bundle, const uint8_t *file, uint32_t size,
                             einf_arena *arena, uint32_t ratio);

/** Bytes of a frame: one a value, channels last. */
uint32_t einf_bundle_frame_bytes(const einf_bundle *bundle);

/**
 * Run one stage and judge its exit. Stages are run in order from 0 until one says to leave; what
 * lies between two calls (a change of the clock, a look at the watchdog) is the caller's.
 *
 * @param frame read by the stages that read it; int8 in the tensor's own units and layout when
 *        `quantised`, else uint8 as a camera gives it.
 */
einf_exit einf_bundle_run_stage(const einf_bundle *bundle, uint32_t stage, const uint8_t *frame,
                                bool quantised);

/** The raw scores of a stage that was run last; `classes - label_offset` of them. */
const int8_t *einf_bundle_scores(const einf_bundle *bundle, uint32_t stage);

/** The tensor they are in: scale and zero point. */
const einf_port *einf_bundle_scores_port(const einf_bundle *bundle, uint32_t stage);

#endif
