/**
 * @file
 * The int8 operators, bit-exact with tflite-runtime 2.14's reference kernels.
 *
 * Tensors are NHWC with batch 1; raw = real / scale + zero point. Each operator is one function
 * in one source file, so a build exchanges it by linking another: conv_plain.c or conv_dsp.c, or
 * a file of the user's own that calls CMSIS-NN (README, "Other kernels").
 */
#ifndef EDGE_INFER_KERNELS_H
#define EDGE_INFER_KERNELS_H

#include <stdbool.h>
#include <stdint.h>

#include "edge_infer/fixed_point.h"

/** Most dimensions of a tensor. */
#define EI_MAX_DIMS 4

/** Height, width and channels of a map. */
typedef struct {
    int32_t height;
    int32_t width;
    int32_t channels;
} ei_map;

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
} ei_window;

/** Limits of an output, from its fused activation. */
typedef struct {
    int32_t low;
    int32_t high;
} ei_range;

/** CONV_2D, DEPTHWISE_CONV_2D. */
typedef struct {
    ei_map in;
    ei_map out;
    ei_window window;
    ei_range range;
    int32_t input_offset;    /**< Minus the input's zero point: -127 to 128. */
    int32_t output_offset;   /**< The output's zero point. */
    int32_t multiplier;      /**< Depthwise: outputs per input channel. */
    const int8_t *weights;   /**< Convolution [out][y][x][in], depthwise [y][x][out]. */
    const uint8_t *bias;     /**< Little-endian int32 per output channel, any alignment; or NULL. */
    const ei_scale *scales;  /**< One per output channel. */
    int32_t tap_step;        /**< Weights from a tap to the next; see ei_conv2d_pruned. */
    const uint8_t *negative; /**< Per output channel 1 where its weights count negated; or NULL. */
} ei_conv;

/** FULLY_CONNECTED. */
typedef struct {
    int32_t rows;    /**< Vectors of the input, each answered alone. */
    int32_t inputs;  /**< Length of one. */
    int32_t outputs; /**< Length of an answer. */
    ei_range range;
    int32_t input_offset;
    int32_t output_offset;
    bool per_channel;       /**< `scales` has one entry per output, else one in all. */
    const int8_t *weights;  /**< [outputs][inputs]. */
    const uint8_t *bias;    /**< As in ei_conv. */
    const ei_scale *scales; /**< As in ei_conv. */
    int32_t pieces;         /**< A row of weights lies in so many; see ei_fully_connected_pruned. */
    int32_t piece_step;     /**< Weights from the begin of a piece to that of the next. */
    const uint8_t *negative; /**< As in ei_conv. */
} ei_dense;

/** AVERAGE_POOL_2D, MAX_POOL_2D; the window's dilation is 1. */
typedef struct {
    ei_map in;
    ei_map out;
    ei_window window;
    ei_range range;
} ei_pool;

/** MEAN over any of the dimensions. */
typedef struct {
    int32_t dims[EI_MAX_DIMS]; /**< Padded in front with 1. */
    bool reduced[EI_MAX_DIMS];
    int32_t count; /**< Values in one mean. */
    int32_t input_zero_point;
    int32_t output_offset;
    ei_scale scale; /**< input scale / output scale / count. */
} ei_mean;

/** ADD with broadcasting. */
typedef struct {
    int32_t dims[EI_MAX_DIMS];       /**< Of the output, padded in front with 1. */
    int32_t strides[2][EI_MAX_DIMS]; /**< Of each input in elements, 0 where it is repeated. */
    bool same_shape;                 /**< Nothing is repeated. */
    int32_t offsets[2];              /**< Minus the zero points. */
    ei_scale scales[2];
    int32_t output_offset;
    ei_scale output_scale;
    ei_range range;
} ei_add;

/** PAD with the zero point. */
typedef struct {
    int32_t in[EI_MAX_DIMS];     /**< Padded in front with 1. */
    int32_t out[EI_MAX_DIMS];    /**< Padded in front with 1. */
    int32_t before[EI_MAX_DIMS]; /**< What is added in front, per dimension. */
    int8_t value;
} ei_pad;

/** SOFTMAX over the last dimension; output scale 1/256, zero point -128. */
typedef struct {
    int32_t rows;
    int32_t classes;
    int32_t multiplier; /**< beta * input scale as a Q31 mantissa ... */
    int32_t shift;      /**< ... and its left shift into 5 integer bits. */
    int32_t diff_min;   /**< Differences to the top below this count as probability 0. */
} ei_softmax;

/** RELU, RELU6 as operators of their own. */
typedef struct {
    int32_t count;
    int32_t input_offset;
    int32_t output_offset;
    ei_scale scale;
    ei_range range;
} ei_relu;

/** Bytes of scratch that ei_conv2d wants for `conv`; 0 for none. */
uint32_t ei_conv2d_scratch_bytes(const ei_conv *conv);

/** 2D convolution. `scratch` is 8-byte aligned. */
void ei_conv2d(const ei_conv *conv, const int8_t *in, int8_t *out, void *scratch);

/** As ei_conv2d_scratch_bytes, for ei_conv2d_pruned. */
uint32_t ei_conv2d_pruned_scratch_bytes(const ei_conv *conv);

/**
 * 2D convolution of a layer at a pruning ratio: a tap has more weights in memory than the map has
 * channels, of which the first ones count, or some channels' weights count negated.
 */
void ei_conv2d_pruned(const ei_conv *conv, const int8_t *in, int8_t *out, void *scratch);

/** Depthwise 2D convolution. */
void ei_depthwise(const ei_conv *conv, const int8_t *in, int8_t *out);

/** The same at a pruning ratio, as ei_conv2d_pruned. */
void ei_depthwise_pruned(const ei_conv *conv, const int8_t *in, int8_t *out);

/** Bytes of scratch that ei_fully_connected wants; 0 for none. */
uint32_t ei_fully_connected_scratch_bytes(const ei_dense *dense);

/** Fully connected layer. `scratch` is 8-byte aligned. */
void ei_fully_connected(const ei_dense *dense, const int8_t *in, int8_t *out, void *scratch);

/**
 * Fully connected layer at a pruning ratio: of each piece of a row of weights, a pixel of a
 * flattened map or the whole row, the first ones count.
 */
void ei_fully_connected_pruned(const ei_dense *dense, const int8_t *in, int8_t *out);

/** Mean of each window, halves away from zero; what lies outside the map does not count. */
void ei_average_pool(const ei_pool *pool, const int8_t *in, int8_t *out);

/** Maximum of each window. */
void ei_max_pool(const ei_pool *pool, const int8_t *in, int8_t *out);

/** Mean over dimensions. */
void ei_mean_of(const ei_mean *mean, const int8_t *in, int8_t *out);

/** Sum of two tensors. `out` may be an input that is not repeated. */
void ei_add_of(const ei_add *add, const int8_t *left, const int8_t *right, int8_t *out);

/** Padding. */
void ei_pad_of(const ei_pad *pad, const int8_t *in, int8_t *out);

/** Softmax. `out` may be `in`. */
void ei_softmax_of(const ei_softmax *softmax, const int8_t *in, int8_t *out);

/** Rescaled and clamped values. `out` may be `in`. */
void ei_relu_of(const ei_relu *relu, const int8_t *in, int8_t *out);

#endif
