/**
 * @file
 * The int8 operators, bit-exact with tflite-runtime 2.14's reference kernels.
 *
 * Tensors are NHWC with batch 1; raw = real / scale + zero point. Each operator is one function
 * in one source file, so a build exchanges it by linking another: conv_plain.c or conv_dsp.c, or
 * a file of the user's own that calls CMSIS-NN (README, "Other kernels").
 */
#ifndef EINF_KERNELS_H
#define EINF_KERNELS_H

#include <stdbool.h>
#include <stdint.h>

#include "edge_infer/fixed_point.h"

/** Most dimensions of a tensor. */
#define EINF_MAX_DIMS 4

/** Height, width and channels of a map. */
typedef struct {
    int32_t height;
    int32_t width;
    int32_t channels;
} einf_map;

/** A window that slides over a map. */
typedef struct {
    int32_t height;
    int32_t width;
    int32_t stride_y;
    int32_t stride_x;
    int32_t dilation_y;
    int32_t dilation_x;
    int32_t pad_top;
    int32_t pad_left;
} einf_window;

/** Limits of an output, from its fused activation. */
typedef struct {
    int32_t low;
    int32_t high;
} einf_range;

/** CONV_2D, DEPTHWISE_CONV_2D. */
typedef struct {
    einf_map in;
    einf_map out;
    einf_window window;
    einf_range range;
    int32_t input_offset;  /**< Minus the input's zero point: -127 to 128. */
    int32_t output_offset; /**< The output's zero point. */
    int32_t multiplier;    /**< Depthwise: outputs per input channel. */
    const int8_t *weights; /**< Convolution [out][y][x][in], depthwise [y][x][out]. */
    const uint8_t *bias;   /**< Little-endian int32 per output channel, any alignment; or NULL. */
    const einf_scale *scales; /**< One per output channel. */
    int32_t tap_step;         /**< Weights from a tap to the next; see einf_conv2d_pruned. */
    const uint8_t *negative;  /**< Per output channel 1 where its weights count negated; or NULL. */
} einf_conv;

/** FULLY_CONNECTED. */
typedef struct {
    int32_t rows;    /**< Vectors of the input, each answered alone. */
    int32_t inputs;  /**< Length of one. */
    int32_t outputs; /**< Length of an answer. */
    einf_range range;
    int32_t input_offset;
    int32_t output_offset;
    bool per_channel;         /**< `scales` has one entry per output, else one in all. */
    const int8_t *weights;    /**< [outputs][inputs]. */
    const uint8_t *bias;      /**< As in einf_conv. */
    const einf_scale *scales; /**< As in einf_conv. */
    int32_t pieces;     /**< A row of weights lies in so many; see einf_fully_connected_pruned. */
    int32_t piece_step; /**< Weights from the begin of a piece to that of the next. */
    const uint8_t *negative; /**< As in einf_conv. */
} einf_dense;

/** AVERAGE_POOL_2D, MAX_POOL_2D; the window's dilation is 1. */
typedef struct {
    einf_map in;
    einf_map out;
    einf_window window;
    einf_range range;
} einf_pool;

/** MEAN over any of the dimensions. */
typedef struct {
    int32_t dims[EINF_MAX_DIMS]; /**< Padded in front with 1. */
    bool reduced[EINF_MAX_DIMS];
    int32_t count; /**< Values in one mean. */
    int32_t input_zero_point;
    int32_t output_offset;
    einf_scale scale; /**< input scale / output scale / count. */
} einf_mean;

/** ADD with broadcasting. */
typedef struct {
    int32_t dims[EINF_MAX_DIMS];       /**< Of the output, padded in front with 1. */
    int32_t strides[2][EINF_MAX_DIMS]; /**< Of each input in elements, 0 where it is repeated. */
    bool same_shape;                   /**< Nothing is repeated. */
    int32_t offsets[2];                /**< Minus the zero points. */
    einf_scale scales[2];
    int32_t output_offset;
    einf_scale output_scale;
    einf_range range;
} einf_add;

/** PAD with the zero point. */
typedef struct {
    int32_t in[EINF_MAX_DIMS];     /**< Padded in front with 1. */
    int32_t out[EINF_MAX_DIMS];    /**< Padded in front with 1. */
    int32_t before[EINF_MAX_DIMS]; /**< What is added in front, per dimension. */
    int8_t value;
} einf_pad;

/** SOFTMAX over the last dimension; output scale 1/256, zero point -128. */
typedef struct {
    int32_t rows;
    int32_t classes;
    int32_t multiplier; /**< beta * input scale as a Q31 mantissa ... */
    int32_t shift;      /**< ... and its left shift into 5 integer bits. */
    int32_t diff_min;   /**< Differences to the top below this count as probability 0. */
} einf_softmax;

/** RELU, RELU6 as operators of their own. */
typedef struct {
    int32_t count;
    int32_t input_offset;
    int32_t output_offset;
    einf_scale scale;
    einf_range range;
} einf_relu;

/** Bytes of scratch that einf_conv2d wants for `conv`; 0 for none. */
uint32_t einf_conv2d_scratch_bytes(const einf_conv *conv);

/** 2D convolution. `scratch` is 8-byte aligned. */
void einf_conv2d(const einf_conv *conv, const int8_t *in, int8_t *out, void *scratch);

/** As einf_conv2d_scratch_bytes, for einf_conv2d_pruned. */
uint32_t einf_conv2d_pruned_scratch_bytes(const einf_conv *conv);

/**
 * 2D convolution of a layer at a pruning ratio: a tap has more weights in memory than the map has
 * channels, of which the first ones count, or some channels' weights count negated.
 */
void einf_conv2d_pruned(const einf_conv *conv, const int8_t *in, int8_t *out, void *scratch);

/** Depthwise 2D convolution. */
void einf_depthwise(const einf_conv *conv, const int8_t *in, int8_t *out);

/** The same at a pruning ratio, as einf_conv2d_pruned. */
void einf_depthwise_pruned(const einf_conv *conv, const int8_t *in, int8_t *out);

/** Bytes of scratch that einf_fully_connected wants; 0 for none. */
uint32_t einf_fully_connected_scratch_bytes(const einf_dense *dense);

/** Fully connected layer. `scratch` is 8-byte aligned. */
void einf_fully_connected(const einf_dense *dense, const int8_t *in, int8_t *out, void *scratch);

/**
 * Fully connected layer at a pruning ratio: of each piece of a row of weights, a pixel of a
 * flattened map or the whole row, the first ones count.
 */
void einf_fully_connected_pruned(const einf_dense *dense, const int8_t *in, int8_t *out);

/** Mean of each window, halves away from zero; what lies outside the map does not count. */
void einf_average_pool(const einf_pool *pool, const int8_t *in, int8_t *out);

/** Maximum of each window. */
void einf_max_pool(const einf_pool *pool, const int8_t *in, int8_t *out);

/** Mean over dimensions. */
void einf_mean_of(const einf_mean *mean, const int8_t *in, int8_t *out);

/** Sum of two tensors. `out` may be an input that is not repeated. */
void einf_add_of(const einf_add *add, const int8_t *left, const int8_t *right, int8_t *out);

/** Padding. */
void einf_pad_of(const einf_pad *pad, const int8_t *in, int8_t *out);

/** Softmax. `out` may be `in`. */
void einf_softmax_of(const einf_softmax *softmax, const int8_t *in, int8_t *out);

/** Rescaled and clamped values. `out` may be `in`. */
void einf_relu_of(const einf_relu *relu, const int8_t *in, int8_t *out);

#endif
