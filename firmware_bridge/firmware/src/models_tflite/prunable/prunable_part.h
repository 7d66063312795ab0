/**
 * @file
 * Where the fields of the prunable part lie, for one of its ratios.
 */
#ifndef EINF_PRUNABLE_PART_H
#define EINF_PRUNABLE_PART_H

#include "models_tflite/model.h"

/** What is counted, in the order of the file. */
enum {
    EINF_PART_GROUPS,
    EINF_PART_AXES,
    EINF_PART_CUTS,
    EINF_PART_SHAPES,
    EINF_PART_RESHAPES,
    EINF_PART_LAYERS,
    EINF_PART_ACTIVATIONS,
    EINF_PART_RATIOS,
    EINF_PART_COUNTS
};

/** Every field lies in the file, as long as its count says. */
typedef struct {
    uint32_t counts[EINF_PART_COUNTS];
    const uint8_t *sizes;
    const uint8_t *axes; /**< Each tile, segments, then as many (group, repeat). */
    const uint8_t *cuts;
    const uint8_t *shapes;
    const uint8_t *reshapes;
    const uint8_t *layers;
    const uint8_t *activations;
    const uint8_t *kept; /**< From here on of the ratio. */
    const uint8_t *scales;
    const uint8_t *zero_points;
    const uint8_t *bases;
    const uint8_t *floors;
    const uint8_t *widths;
    const uint8_t *bits;
    uint32_t bits_bytes;
} einf_prunable_part;

/**
 * Find a ratio in the part of a model; its hash has to be right.
 *
 * @retval EINF_NO_ENTRY no such part, or no such ratio
 * @retval EINF_HASH, EINF_UNSUPPORTED, EINF_TRUNCATED, EINF_CORRUPT
 */
einf_status einf_prunable_part_find(einf_prunable_part *part, einf_model *m, uint32_t ratio);

#endif
