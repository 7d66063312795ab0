/**
 * @file
 * The parts of a .tflite file that the graph is made of (TFLite schema.fbs, version 3).
 */
#ifndef EDGE_INFER_MODEL_H
#define EDGE_INFER_MODEL_H

#include "edge_infer/graph.h"
#include "flatbuffer.h"

#define MAX_TENSORS  512U
#define MAX_NODES    256U
#define MAX_ELEMENTS (1 << 24) /* of a tensor; products of shapes stay far below 2^31 */
#define MAX_EXTENT   65535     /* of a dimension */
#define NO_TENSOR    (-1)

/** BuiltinOperator */
enum {
    OP_ADD = 0,
    OP_AVERAGE_POOL_2D = 1,
    OP_CONV_2D = 3,
    OP_DEPTHWISE_CONV_2D = 4,
    OP_FULLY_CONNECTED = 9,
    OP_MAX_POOL_2D = 17,
    OP_RELU = 19,
    OP_RELU6 = 21,
    OP_RESHAPE = 22,
    OP_SOFTMAX = 25,
    OP_PAD = 34,
    OP_MEAN = 40,
};

/** TensorType */
enum { TYPE_INT32 = 2, TYPE_INT8 = 9 };

/** A tensor while the model is being opened. */
typedef struct {
    int32_t type;
    int32_t rank;
    int32_t dims[EI_MAX_DIMS];
    int32_t stored[EI_MAX_DIMS]; /* in the file; `dims` are less where a ratio cuts */
    int32_t elements;            /* of `dims` */
    int32_t pieces;              /* that the last dimension's values lie in */
    uint32_t changed;            /* bits of the dimensions that a ratio cuts */
    const uint8_t *data;         /* NULL for an activation */
    float scale;                 /* the first one; 0 when there is none */
    int32_t zero_point;
    fb_vector scales;    /* as in the file */
    int32_t channel_dim; /* that several scales belong to */
    int32_t block;       /* of the memory plan; NO_BLOCK for constants */
} tensor;

/** A model while it is being opened. */
typedef struct {
    fb_file file;
    tensor *tensors;
    uint32_t tensor_count;
    fb_vector inputs;
    fb_vector outputs;
    fb_vector operators;
    fb_vector codes;
    fb_vector buffers;
    fb_vector metadata;
} model;

/** One operator of the file. */
typedef struct {
    int32_t code;
    fb_vector inputs;
    fb_vector outputs;
    fb_table options;
} operation;

/** Read the tensors; borrows their table from the arena. */
ei_status model_open(model *m, const uint8_t *data, uint32_t size, ei_arena *arena);

/** Operator `index`. */
operation model_operation(model *m, uint32_t index);

/** Operand `index` of an operator, NULL where it is left out or is no tensor. */
tensor *model_operand(model *m, const fb_vector *operands, uint32_t index);

#endif
