/**
 * @file
 * Operators without weights, as nodes.
 */
#ifndef EINF_PREPARE_MAP_H
#define EINF_PREPARE_MAP_H

#include "models_tflite/node.h"
#include "models_tflite/operands.h"

einf_status einf_prepare_pool(einf_node *node, const einf_operands *o);
einf_status einf_prepare_add(einf_node *node, const einf_operands *o);
einf_status einf_prepare_mean(einf_node *node, const einf_operands *o);
einf_status einf_prepare_pad(einf_node *node, const einf_operands *o);
einf_status einf_prepare_softmax(einf_node *node, const einf_operands *o);
einf_status einf_prepare_relu(einf_node *node, const einf_operands *o);

#endif
