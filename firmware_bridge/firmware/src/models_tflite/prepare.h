/**
 * @file
 * From an operator of the file to a node: shapes and types checked, factors computed.
 */
#ifndef EINF_PREPARE_H
#define EINF_PREPARE_H

#include "models_tflite/node.h"
#include "models_tflite/operands.h"

/** Fill in a node, except for where its tensors lie. Rescaling factors go into the arena. */
einf_status einf_prepare(einf_node *node, const einf_operands *o, einf_arena *arena);

#endif
