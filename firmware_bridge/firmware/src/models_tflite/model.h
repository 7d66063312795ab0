/**
 * @file
 * The parts of a .tflite file that the graph is made of (TFLite schema.fbs, version 3).
 */
#ifndef EINF_MODEL_H
#define EINF_MODEL_H

#include "edge_infer/arena.h"
#include "edge_infer/kernels.h"
#include "edge_infer/status.h"
#include "models_tflite/flatbuffer.h"

#define EINF_MAX_TENSORS  512U
#define EINF_MAX_NODES    256U
#define EINF_MAX_ELEMENTS (1 << 24) /* of a tensor; products of shapes stay far below 2^31 */
#define EINF_MAX_EXTENT   65535     /* of a dimension */
#define EINF_NO_TENSOR    (-1)

/** BuiltinOperator */
enum {
    EINF_BUILTIN_ADD = 0,
    EINF_BUILTIN_AVERAGE_POOL_2D = 1,
    EINF_BUILTIN_CONV_2D = 3,
    EINF_BUILTIN_DEPTHWISE_CONV_2D = 4,
    EINF_BUILTIN_FULLY_CONNECTED = 9,
    EINF_BUILTIN_MAX_POOL_2D = 17,
    EINF_BUILTIN_RELU = 19,
    EINF_BUILTIN_RELU6 = 21,
    EINF_BUILTIN_RESHAPE = 22,
    EINF_BUILTIN_SOFTMAX = 25,
    EINF_BUILTIN_PAD = 34,
    EINF_BUILTIN_MEAN = 40,
};

/** TensorType */
enum { EINF_TYPE_INT32 = 2, EINF_TYPE_INT8 = 9 };

/** A tensor while the model is being opened. */
typedef struct {
    int32_t type;
    int32_t rank;
    int32_t dims[EINF_MAX_DIMS];
    int32_t stored[EINF_MAX_DIMS]; /* in the file; `dims` are less where a ratio cuts */
    int32_t elements;              /* of `dims` */
    int32_t pieces;                /* that the last dimension's values lie in */
    uint32_t changed;              /* bits of the dimensions that a ratio cuts */
    const uint8_t *data;           /* NULL for an activation */
    float scale;                   /* the first one; 0 when there is none */
    int32_t zero_point;
    einf_fb_vector scales; /* as in the file */
    int32_t channel_dim;   /* that several scales belong to */
    int32_t block;         /* of the memory plan; EINF_NO_BLOCK for constants */
} einf_tensor;

/** A model while it is being opened. */
typedef struct {
    einf_fb_file file;
    einf_tensor *tensors;
    uint32_t tensor_count;
    einf_fb_vector inputs;
    einf_fb_vector outputs;
    einf_fb_vector operators;
    einf_fb_vector codes;
    einf_fb_vector buffers;
    einf_fb_vector metadata;
} einf_model;

/** One operator of the file. */
typedef struct {
    int32_t code;
    einf_fb_vector inputs;
    einf_fb_vector outputs;
    einf_fb_table options;
} einf_operation;

/** Read the tensors; borrows their table from the arena. */
einf_status einf_model_open(einf_model *m, const uint8_t *data, uint32_t size, einf_arena *arena);

/** Operator `index`. */
einf_operation einf_model_operation(einf_model *m, uint32_t index);

/** Operand `index` of an operator, NULL where it is left out or is no tensor. */
einf_tensor *einf_model_operand(einf_model *m, const einf_fb_vector *operands, uint32_t index);

#endif
