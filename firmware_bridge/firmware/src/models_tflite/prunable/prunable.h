/**
 * @file
 * The prunable part of a .tflite file: a ratio below the full width, without a copy of a weight.
 *
 * models_tflite/prunable/FORMAT.md has the bytes. Shapes and quantisation of the model's tensors
 * become those of the ratio; weights stay where they lie, and kernels read the first channels of
 * them. Scales, biases and signs are decoded layer by layer, while nodes are prepared.
 */
#ifndef EINF_PRUNABLE_H
#define EINF_PRUNABLE_H

#include "models_tflite/prunable/pruned_layer.h"

/**
 * Find a ratio and make the tensors of a model those of the ratio.
 *
 * @param arena lends tables.
 * @retval EINF_NO_ENTRY the model cannot be pruned, or not to this ratio
 * @retval EINF_HASH the file is not the one that its prunable part was made for
 * @retval EINF_UNSUPPORTED a newer version, or a cut that these kernels cannot follow
 * @retval EINF_TRUNCATED, EINF_CORRUPT, EINF_SHAPE, EINF_ARENA
 */
einf_status einf_pruning_open(einf_pruning *p, einf_model *m, uint32_t ratio, einf_arena *arena);

#endif
