/**
 * @file
 * Operators with weights, as nodes: CONV_2D and DEPTHWISE_CONV_2D, FULLY_CONNECTED.
 */
#ifndef EINF_PREPARE_CONV_H
#define EINF_PREPARE_CONV_H

#include "models_tflite/node.h"
#include "models_tflite/operands.h"

einf_status einf_prepare_conv(einf_node *node, const einf_operands *o, einf_arena *arena);
einf_status einf_prepare_dense(einf_node *node, const einf_operands *o, einf_arena *arena);

#endif
