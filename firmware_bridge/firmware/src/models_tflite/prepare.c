#include "models_tflite/prepare.h"

#include "models_tflite/prepare_conv.h"
#include "models_tflite/prepare_map.h"

einf_status einf_prepare(einf_node *node, const einf_operands *o, einf_arena *arena) {
    switch (o->op->code) {
    case EINF_BUILTIN_CONV_2D:
    case EINF_BUILTIN_DEPTHWISE_CONV_2D:
        return einf_prepare_conv(node, o, arena);
    case EINF_BUILTIN_FULLY_CONNECTED:
        return einf_prepare_dense(node, o, arena);
    case EINF_BUILTIN_AVERAGE_POOL_2D:
    case EINF_BUILTIN_MAX_POOL_2D:
        return einf_prepare_pool(node, o);
    case EINF_BUILTIN_ADD:
        return einf_prepare_add(node, o);
    case EINF_BUILTIN_MEAN:
        return einf_prepare_mean(node, o);
    case EINF_BUILTIN_PAD:
        return einf_prepare_pad(node, o);
    case EINF_BUILTIN_RESHAPE:
        node->kind = EINF_NODE_COPY;
        return o->in->elements != o->out->elements      ? EINF_SHAPE
               : !einf_same_quantization(o->in, o->out) ? EINF_UNSUPPORTED
                                                        : EINF_OK;
    case EINF_BUILTIN_SOFTMAX:
        return einf_prepare_softmax(node, o);
    case EINF_BUILTIN_RELU:
    case EINF_BUILTIN_RELU6:
        return einf_prepare_relu(node, o);
    default:
        return EINF_UNSUPPORTED;
    }
}
