/**
 * @file
 * From operators of the file to nodes: shapes and types checked, factors computed.
 */
#ifndef EDGE_INFER_PREPARE_H
#define EDGE_INFER_PREPARE_H

#include "model.h"
#include "node.h"
#include "prunable.h"

/** An operator with its tensors; right and bias are NULL where they are left out. */
typedef struct {
    const operation *op;
    const tensor *in;
    const tensor *right; /* second operand: weights, the other summand, axes, paddings */
    const tensor *bias;
    const tensor *out;
    const pruned_layer *layer; /* of `right`; NULL where the file's scales and bias hold */
} operands;

/** Fill in a node, except for where its tensors lie. Rescaling factors go into the arena. */
ei_status prepare(ei_node *node, const operands *o, ei_arena *arena);

/** Parts of it, by operator. */
ei_status prepare_conv(ei_node *node, const operands *o, ei_arena *arena);
ei_status prepare_dense(ei_node *node, const operands *o, ei_arena *arena);
ei_status prepare_pool(ei_node *node, const operands *o);
ei_status prepare_add(ei_node *node, const operands *o);
ei_status prepare_mean(ei_node *node, const operands *o);
ei_status prepare_pad(ei_node *node, const operands *o);
ei_status prepare_softmax(ei_node *node, const operands *o);
ei_status prepare_relu(ei_node *node, const operands *o);

/** What a layer has per output channel; `bias` and `negative` as in ei_conv. */
typedef struct {
    const ei_scale *scales;
    const uint8_t *bias;
    const uint8_t *negative;
} channels;

/**
 * Compute them: the file's, or those of the ratio.
 *
 * @param one_for_all one factor for all channels instead of one each.
 */
ei_status prepare_channels(channels *c, const operands *o, uint32_t outputs, bool one_for_all,
                           ei_arena *arena);

/** How a window slides: PAD_SAME fills up at the borders, PAD_VALID stays inside. */
enum { PAD_SAME = 0, PAD_VALID = 1 };

/** ActivationFunctionType */
enum {
    ACTIVATION_NONE = 0,
    ACTIVATION_RELU = 1,
    ACTIVATION_RELU_N1_TO_1 = 2,
    ACTIVATION_RELU6 = 3
};

/** Limits of an output with a fused activation. */
ei_status activation_range(ei_range *range, int32_t activation, const tensor *out);

/** Complete a window (sizes, strides, dilations are in it) for these maps; check the output. */
ei_status fit_window(ei_window *window, int32_t padding, ei_map in, ei_map out);

/** The map of a tensor of shape [1, H, W, C]. */
ei_status map_of(ei_map *map, const tensor *t);

/** An activation of type int8 with a scale. */
bool is_activation(const tensor *t);

/** The same scale and zero point. */
bool same_quantization(const tensor *a, const tensor *b);

/** Shape padded in front with 1. */
void padded_dims(int32_t dims[EI_MAX_DIMS], const tensor *t);

#endif
