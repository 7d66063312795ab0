#include "models_tflite/operands.h"

#include <stddef.h>

#define EINF_MAX_WINDOW 4096

bool einf_is_activation(const einf_tensor *t) {
    return t != NULL && t->data == NULL && t->type == EINF_TYPE_INT8 && t->scale > 0.0F;
}

bool einf_same_quantization(const einf_tensor *a, const einf_tensor *b) {
    return !(a->scale < b->scale) && !(a->scale > b->scale) && a->zero_point == b->zero_point;
}

einf_status einf_map_of(einf_map *map, const einf_tensor *t) {
    if (t->rank != 4 || t->dims[0] != 1) {
        return EINF_UNSUPPORTED;
    }
    *map = (einf_map){t->dims[1], t->dims[2], t->dims[3]};
    return EINF_OK;
}

void einf_padded_dims(int32_t dims[EINF_MAX_DIMS], const einf_tensor *t) {
    const int32_t missing = EINF_MAX_DIMS - t->rank;
    for (int32_t i = 0; i < EINF_MAX_DIMS; i++) {
        dims[i] = i < missing ? 1 : t->dims[i - missing];
    }
}

/* A real limit as a raw value: halves away from zero, as TfLiteRound (kernel_util.cc). */
static int32_t raw_limit(float real, const einf_tensor *out) {
    const double steps = (double)(real / out->scale);
    const double limited = steps > 1e6 ? 1e6 : steps < -1e6 ? -1e6 : steps;
    return out->zero_point + (int32_t)(limited + (limited < 0 ? -0.5 : 0.5));
}

einf_status einf_activation_range(einf_range *range, int32_t activation, const einf_tensor *out) {
    *range = (einf_range){INT8_MIN, INT8_MAX};
    switch (activation) {
    case EINF_ACTIVATION_NONE:
        return EINF_OK;
    case EINF_ACTIVATION_RELU:
        range->low = einf_clamp(raw_limit(0.0F, out), INT8_MIN, INT8_MAX);
        return EINF_OK;
    case EINF_ACTIVATION_RELU_N1_TO_1:
        range->low = einf_clamp(raw_limit(-1.0F, out), INT8_MIN, INT8_MAX);
        range->high = einf_clamp(raw_limit(1.0F, out), INT8_MIN, INT8_MAX);
        return EINF_OK;
    case EINF_ACTIVATION_RELU6:
        range->low = einf_clamp(raw_limit(0.0F, out), INT8_MIN, INT8_MAX);
        range->high = einf_clamp(raw_limit(6.0F, out), INT8_MIN, INT8_MAX);
        return EINF_OK;
    default:
        return EINF_UNSUPPORTED;
    }
}

/* One axis: the padding in front, and whether the output has the size that follows. */
static einf_status fit_axis(int32_t *pad, int32_t padding, int32_t size, int32_t window,
                            int32_t stride, int32_t dilation, int32_t out) {
    if (window < 1 || stride < 1 || dilation < 1 || window > EINF_MAX_WINDOW ||
        stride > EINF_MAX_WINDOW || dilation > EINF_MAX_WINDOW ||
        (padding != EINF_PAD_SAME && padding != EINF_PAD_VALID)) {
        return EINF_UNSUPPORTED;
    }
    const int32_t extent = (window - 1) * dilation + 1;
    const int32_t room = padding == EINF_PAD_SAME ? size : size - extent + 1;
    if (room < 1 || out != (room + stride - 1) / stride) {
        return EINF_SHAPE;
    }
    const int32_t outside = (out - 1) * stride + extent - size;
    *pad = padding == EINF_PAD_SAME && outside > 0 ? outside / 2 : 0;
    return EINF_OK;
}

einf_status einf_fit_window(einf_window *w, int32_t padding, einf_map in, einf_map out) {
    const einf_status status = fit_axis(&w->pad_top, padding, in.height, w->height, w->stride_y,
                                        w->dilation_y, out.height);
    return status ? status
                  : fit_axis(&w->pad_left, padding, in.width, w->width, w->stride_x, w->dilation_x,
                             out.width);
}
