#include "prepare.h"

#include <stddef.h>

#define MAX_WINDOW 4096

bool is_activation(const tensor *t) {
    return t != NULL && t->data == NULL && t->type == TYPE_INT8 && t->scale > 0.0F;
}

bool same_quantization(const tensor *a, const tensor *b) {
    return !(a->scale < b->scale) && !(a->scale > b->scale) && a->zero_point == b->zero_point;
}

ei_status map_of(ei_map *map, const tensor *t) {
    if (t->rank != 4 || t->dims[0] != 1) {
        return EI_UNSUPPORTED;
    }
    *map = (ei_map){t->dims[1], t->dims[2], t->dims[3]};
    return EI_OK;
}

void padded_dims(int32_t dims[EI_MAX_DIMS], const tensor *t) {
    const int32_t missing = EI_MAX_DIMS - t->rank;
    for (int32_t i = 0; i < EI_MAX_DIMS; i++) {
        dims[i] = i < missing ? 1 : t->dims[i - missing];
    }
}

/* A real limit as a raw value: halves away from zero, as TfLiteRound (kernel_util.cc). */
static int32_t raw_limit(float real, const tensor *out) {
    const double steps = (double)(real / out->scale);
    const double limited = steps > 1e6 ? 1e6 : steps < -1e6 ? -1e6 : steps;
    return out->zero_point + (int32_t)(limited + (limited < 0 ? -0.5 : 0.5));
}

ei_status activation_range(ei_range *range, int32_t activation, const tensor *out) {
    *range = (ei_range){INT8_MIN, INT8_MAX};
    switch (activation) {
    case ACTIVATION_NONE:
        return EI_OK;
    case ACTIVATION_RELU:
        range->low = ei_clamp(raw_limit(0.0F, out), INT8_MIN, INT8_MAX);
        return EI_OK;
    case ACTIVATION_RELU_N1_TO_1:
        range->low = ei_clamp(raw_limit(-1.0F, out), INT8_MIN, INT8_MAX);
        range->high = ei_clamp(raw_limit(1.0F, out), INT8_MIN, INT8_MAX);
        return EI_OK;
    case ACTIVATION_RELU6:
        range->low = ei_clamp(raw_limit(0.0F, out), INT8_MIN, INT8_MAX);
        range->high = ei_clamp(raw_limit(6.0F, out), INT8_MIN, INT8_MAX);
        return EI_OK;
    default:
        return EI_UNSUPPORTED;
    }
}

/* One axis: the padding in front, and whether the output has the size that follows. */
static ei_status fit_axis(int32_t *pad, int32_t padding, int32_t size, int32_t window,
                          int32_t stride, int32_t dilation, int32_t out) {
    if (window < 1 || stride < 1 || dilation < 1 || window > MAX_WINDOW || stride > MAX_WINDOW ||
        dilation > MAX_WINDOW || (padding != PAD_SAME && padding != PAD_VALID)) {
        return EI_UNSUPPORTED;
    }
    const int32_t extent = (window - 1) * dilation + 1;
    const int32_t room = padding == PAD_SAME ? size : size - extent + 1;
    if (room < 1 || out != (room + stride - 1) / stride) {
        return EI_SHAPE;
    }
    const int32_t outside = (out - 1) * stride + extent - size;
    *pad = padding == PAD_SAME && outside > 0 ? outside / 2 : 0;
    return EI_OK;
}

ei_status fit_window(ei_window *w, int32_t padding, ei_map in, ei_map out) {
    const ei_status status = fit_axis(&w->pad_top, padding, in.height, w->height, w->stride_y,
                                      w->dilation_y, out.height);
    return status ? status
                  : fit_axis(&w->pad_left, padding, in.width, w->width, w->stride_x, w->dilation_x,
                             out.width);
}

ei_status prepare(ei_node *node, const operands *o, ei_arena *arena) {
    switch (o->op->code) {
    case OP_CONV_2D:
    case OP_DEPTHWISE_CONV_2D:
        return prepare_conv(node, o, arena);
    case OP_FULLY_CONNECTED:
        return prepare_dense(node, o, arena);
    case OP_AVERAGE_POOL_2D:
    case OP_MAX_POOL_2D:
        return prepare_pool(node, o);
    case OP_ADD:
        return prepare_add(node, o);
    case OP_MEAN:
        return prepare_mean(node, o);
    case OP_PAD:
        return prepare_pad(node, o);
    case OP_RESHAPE:
        node->kind = NODE_COPY;
        return o->in->elements != o->out->elements ? EI_SHAPE
               : !same_quantization(o->in, o->out) ? EI_UNSUPPORTED
                                                   : EI_OK;
    case OP_SOFTMAX:
        return prepare_softmax(node, o);
    case OP_RELU:
    case OP_RELU6:
        return prepare_relu(node, o);
    default:
        return EI_UNSUPPORTED;
    }
}
