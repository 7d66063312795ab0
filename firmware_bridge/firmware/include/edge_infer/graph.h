/**
 * @file
 * A .tflite model, run in place: weights stay in flash, activations lie in the arena.
 */
#ifndef EINF_GRAPH_H
#define EINF_GRAPH_H

#include "edge_infer/arena.h"
#include "edge_infer/kernels.h"
#include "edge_infer/ratio.h"
#include "edge_infer/status.h"

/** Most inputs, and most outputs, of a model. */
#define EINF_MAX_PORTS 8

/** An int8 tensor that enters or leaves a model. */
typedef struct {
    uint32_t offset; /**< From the begin of the activations. */
    uint32_t bytes;
    int32_t rank;
    int32_t dims[EINF_MAX_DIMS];
    float scale;
    int32_t zero_point;
} einf_port;

/** An opened model. */
typedef struct {
    const struct einf_node *nodes; /**< The operators, ready to run. */
    uint32_t node_count;
    uint32_t input_count;
    uint32_t output_count;
    einf_port inputs[EINF_MAX_PORTS];
    einf_port outputs[EINF_MAX_PORTS];
    uint32_t activation_bytes; /**< What einf_graph_invoke uses from its `activations` on. */
} einf_graph;

/**
 * Check a model completely and plan its memory.
 *
 * @param graph filled in; it points into `model` and `arena`, which must outlive it.
 * @param model the .tflite file; its subgraph 0 is taken.
 * @param size bytes of `model`.
 * @param arena keeps the operators; the activations are not reserved here, so that graphs which
 *        run one after the other can share them.
 * @param placed NULL, or an activation offset for each input: what ran before left it there.
 * @param ratio pruning ratio in millionths, EINF_FULL_WIDTH for the model as it is. Another one
 * needs a prunable file; its weights stay where they are, the first channels of them count.
 * @retval EINF_NO_ENTRY the model has no such ratio
 * @retval EINF_HASH a prunable file that was changed since
 * @retval EINF_CORRUPT, EINF_TRUNCATED, EINF_UNSUPPORTED, EINF_SHAPE, EINF_TOO_MANY, EINF_ARENA
 */
einf_status einf_graph_open(einf_graph *graph, const uint8_t *model, uint32_t size,
                            einf_arena *arena, const uint32_t *placed, uint32_t ratio);

/**
 * Run a model once.
 *
 * Inputs are read from, and outputs left at, their offsets in `activations`; the outputs stay,
 * the inputs do not.
 *
 * @param activations `graph->activation_bytes` bytes, 8-byte aligned.
 */
void einf_graph_invoke(const einf_graph *graph, uint8_t *activations);

#endif
