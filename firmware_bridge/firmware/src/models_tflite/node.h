/**
 * @file
 * An operator as the graph runs it.
 */
#ifndef EINF_NODE_H
#define EINF_NODE_H

#include "edge_infer/kernels.h"

typedef enum {
    EINF_NODE_CONV,
    EINF_NODE_CONV_PRUNED,
    EINF_NODE_DEPTHWISE,
    EINF_NODE_DEPTHWISE_PRUNED,
    EINF_NODE_DENSE,
    EINF_NODE_DENSE_PRUNED,
    EINF_NODE_AVERAGE_POOL,
    EINF_NODE_MAX_POOL,
    EINF_NODE_MEAN,
    EINF_NODE_ADD,
    EINF_NODE_PAD,
    EINF_NODE_COPY, /* RESHAPE */
    EINF_NODE_SOFTMAX,
    EINF_NODE_RELU,
} einf_node_kind;

typedef struct einf_node {
    einf_node_kind kind;
    uint32_t in[2];         /* activation offsets */
    uint32_t out;           /* activation offset */
    uint32_t scratch;       /* activation offset */
    uint32_t scratch_bytes; /* 0 for none */
    uint32_t bytes;         /* of the output */
    union {
        einf_conv conv;
        einf_dense dense;
        einf_pool pool;
        einf_mean mean;
        einf_add add;
        einf_pad pad;
        einf_softmax softmax;
        einf_relu relu;
    } as;
} einf_node;

#endif
