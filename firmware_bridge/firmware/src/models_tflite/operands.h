/**
 * @file
 * An operator's tensors while it is being prepared, and what several operators ask of them.
 */
#ifndef EINF_OPERANDS_H
#define EINF_OPERANDS_H

#include "models_tflite/model.h"
#include "models_tflite/prunable/pruned_layer.h"

/** An operator with its tensors; right and bias are NULL where they are left out. */
typedef struct {
    const einf_operation *op;
    const einf_tensor *in;
    const einf_tensor *right; /* second operand: weights, the other summand, axes, paddings */
    const einf_tensor *bias;
    const einf_tensor *out;
    const einf_pruned_layer *layer; /* of `right`; NULL where the file's scales and bias hold */
} einf_operands;

/** How a window slides: EINF_PAD_SAME fills up at the borders, EINF_PAD_VALID stays inside. */
enum { EINF_PAD_SAME = 0, EINF_PAD_VALID = 1 };

/** ActivationFunctionType */
enum {
    EINF_ACTIVATION_NONE = 0,
    EINF_ACTIVATION_RELU = 1,
    EINF_ACTIVATION_RELU_N1_TO_1 = 2,
    EINF_ACTIVATION_RELU6 = 3
};

/** Limits of an output with a fused activation. */
einf_status einf_activation_range(einf_range *range, int32_t activation, const einf_tensor *out);

/** Complete a window (sizes, strides, dilations are in it) for these maps; check the output. */
einf_status einf_fit_window(einf_window *window, int32_t padding, einf_map in, einf_map out);

/** The map of a tensor of shape [1, H, W, C]. */
einf_status einf_map_of(einf_map *map, const einf_tensor *t);

/** An activation of type int8 with a scale. */
bool einf_is_activation(const einf_tensor *t);

/** The same scale and zero point. */
bool einf_same_quantization(const einf_tensor *a, const einf_tensor *b);

/** Shape padded in front with 1. */
void einf_padded_dims(int32_t dims[EINF_MAX_DIMS], const einf_tensor *t);

#endif
