/**
 * @file
 * A layer of a prunable .tflite file at a ratio: scales, biases and signs, decoded from their
 * codes.
 */
#ifndef EINF_PRUNED_LAYER_H
#define EINF_PRUNED_LAYER_H

#include "models_tflite/model.h"

/** What the codes of a layer are, in the order in which the file has them. */
enum {
    EINF_LAYER_CODE_SCALE = 0,
    EINF_LAYER_CODE_BIAS = 1,
    EINF_LAYER_CODE_SIGN = 2,
    EINF_LAYER_CODE_KINDS = 3
};

/** A ratio of an opened model; it points into the file and into what the arena has lent. */
typedef struct {
    const einf_model *model;
    const uint8_t *layers; /* four tensor numbers each */
    uint32_t layer_count;
    const uint8_t *bases;
    const uint8_t *floors;
    const uint8_t *widths;
    const uint8_t *bits;
    uint32_t first_bit[EINF_LAYER_CODE_KINDS]; /* of the codes of each kind */
    double *powers; /* of the growth of a scale by its code, every so many */
} einf_pruning;

/** A layer at the ratio. */
typedef struct {
    const einf_pruning *pruning;
    const einf_tensor *weights;
    const einf_tensor *bias; /* NULL without */
    float source;            /* scale of its input */
    float output;            /* scale of its output */
    double base;
    int32_t floor;
    uint32_t counts[EINF_LAYER_CODE_KINDS]; /* of codes */
    uint32_t widths[EINF_LAYER_CODE_KINDS]; /* bits of one */
    uint32_t at[EINF_LAYER_CODE_KINDS];     /* first bit */
} einf_pruned_layer;

/** The layer that has these weights; false where they are as in the file. */
bool einf_pruned_layer_of(einf_pruned_layer *layer, const einf_pruning *p,
                          const einf_tensor *weights);

/** Layer `index`; `at` is where its codes begin, and is left where they end. */
einf_status einf_pruned_layer_read(einf_pruned_layer *layer, const einf_pruning *p, uint32_t index,
                                   uint32_t at[EINF_LAYER_CODE_KINDS]);

/** The table of powers, from the arena; NULL when there is no room. */
double *einf_pruned_powers(einf_arena *arena);

/** The scale of a channel's weights, or of all; not above 0 where the code makes no sense. */
float einf_pruned_scale(const einf_pruned_layer *layer, uint32_t channel);

/**
 * The bias of a channel.
 *
 * @param scale of its weights.
 * @return false where the codes make no sense.
 */
bool einf_pruned_bias(const einf_pruned_layer *layer, uint32_t channel, float scale, int32_t *bias);

/** Whether the weights of a channel count negated. */
bool einf_pruned_negative(const einf_pruned_layer *layer, uint32_t channel);

#endif
