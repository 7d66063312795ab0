/**
 * @file
 * Where the fields of the prunable part lie, for one of its ratios.
 */
#ifndef EDGE_INFER_PRUNABLE_PART_H
#define EDGE_INFER_PRUNABLE_PART_H

#include "model.h"

/** What is counted, in the order of the file. */
enum {
    PART_GROUPS,
    PART_AXES,
    PART_CUTS,
    PART_SHAPES,
    PART_RESHAPES,
    PART_LAYERS,
    PART_ACTIVATIONS,
    PART_RATIOS,
    PART_COUNTS
};

/** Every field lies in the file, as long as its count says. */
typedef struct {
    uint32_t counts[PART_COUNTS];
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
} prunable_part;

/**
 * Find a ratio in the part of a model; its hash has to be right.
 *
 * @retval EI_NO_ENTRY no such part, or no such ratio
 * @retval EI_HASH, EI_UNSUPPORTED, EI_TRUNCATED, EI_CORRUPT
 */
ei_status prunable_part_find(prunable_part *part, model *m, uint32_t ratio);

#endif
