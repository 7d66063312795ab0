/**
 * @file
 * An operator as the graph runs it.
 */
#ifndef EDGE_INFER_NODE_H
#define EDGE_INFER_NODE_H

#include "edge_infer/graph.h"

typedef enum {
    NODE_CONV,
    NODE_CONV_PRUNED,
    NODE_DEPTHWISE,
    NODE_DEPTHWISE_PRUNED,
    NODE_DENSE,
    NODE_DENSE_PRUNED,
    NODE_AVERAGE_POOL,
    NODE_MAX_POOL,
    NODE_MEAN,
    NODE_ADD,
    NODE_PAD,
    NODE_COPY, /* RESHAPE */
    NODE_SOFTMAX,
    NODE_RELU,
} node_kind;

struct ei_node {
    node_kind kind;
    uint32_t in[2];         /* activation offsets */
    uint32_t out;           /* activation offset */
    uint32_t scratch;       /* activation offset */
    uint32_t scratch_bytes; /* 0 for none */
    uint32_t bytes;         /* of the output */
    union {
        ei_conv conv;
        ei_dense dense;
        ei_pool pool;
        ei_mean mean;
        ei_add add;
        ei_pad pad;
        ei_softmax softmax;
        ei_relu relu;
    } as;
};

#endif
