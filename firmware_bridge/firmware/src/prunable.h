/**
 * @file
 * The prunable part of a .tflite file: a ratio below the full width, without a copy of a weight.
 *
 * models_tflite/prunable/FORMAT.md has the bytes. Shapes and quantisation of the model's tensors
 * become those of the ratio; weights stay where they lie, and kernels read the first channels of
 * them. Scales, biases and signs are decoded layer by layer, while nodes are prepared.
 */
#ifndef EDGE_INFER_PRUNABLE_H
#define EDGE_INFER_PRUNABLE_H

#include "model.h"

/** What the codes of a layer are, in the order in which the file has them. */
enum { CODE_SCALE = 0, CODE_BIAS = 1, CODE_SIGN = 2, CODE_KINDS = 3 };

/** A ratio of an opened model; it points into the file and into what the arena has lent. */
typedef struct {
    const model *model;
    const uint8_t *layers; /* four tensor numbers each */
    uint32_t layer_count;
    const uint8_t *bases;
    const uint8_t *floors;
    const uint8_t *widths;
    const uint8_t *bits;
    uint32_t first_bit[CODE_KINDS]; /* of the codes of each kind */
    double *powers;                 /* of the growth of a scale by its code, every so many */
} pruning;

/** A layer at the ratio. */
typedef struct {
    const pruning *pruning;
    const tensor *weights;
    const tensor *bias; /* NULL without */
    float source;       /* scale of its input */
    float output;       /* scale of its output */
    double base;
    int32_t floor;
    uint32_t counts[CODE_KINDS]; /* of codes */
    uint32_t widths[CODE_KINDS]; /* bits of one */
    uint32_t at[CODE_KINDS];     /* first bit */
} pruned_layer;

/**
 * Find a ratio and make the tensors of a model those of the ratio.
 *
 * @param arena lends tables.
 * @retval EI_NO_ENTRY the model cannot be pruned, or not to this ratio
 * @retval EI_HASH the file is not the one that its prunable part was made for
 * @retval EI_UNSUPPORTED a newer version, or a cut that these kernels cannot follow
 * @retval EI_TRUNCATED, EI_CORRUPT, EI_SHAPE, EI_ARENA
 */
ei_status pruning_open(pruning *p, model *m, uint32_t ratio, ei_arena *arena);

/** The layer that has these weights; false where they are as in the file. */
bool pruned_layer_of(pruned_layer *layer, const pruning *p, const tensor *weights);

/** Layer `index`; `at` is where its codes begin, and is left where they end. */
ei_status pruned_layer_read(pruned_layer *layer, const pruning *p, uint32_t index,
                            uint32_t at[CODE_KINDS]);

/** The table of powers, from the arena; NULL when there is no room. */
double *pruned_powers(ei_arena *arena);

/** The scale of a channel's weights, or of all; not above 0 where the code makes no sense. */
float pruned_scale(const pruned_layer *layer, uint32_t channel);

/**
 * The bias of a channel.
 *
 * @param scale of its weights.
 * @return false where the codes make no sense.
 */
bool pruned_bias(const pruned_layer *layer, uint32_t channel, float scale, int32_t *bias);

/** Whether the weights of a channel count negated. */
bool pruned_negative(const pruned_layer *layer, uint32_t channel);

#endif
