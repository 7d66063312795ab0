#include "models_tflite/prepare_conv.h"

#include <stddef.h>

#include "models_tflite/prepare_channels.h"

#define EINF_MAX_FILTER (1 << 15) /* products of one output: 2^15 * 128 * 383 stays below 2^31 */

/* Field numbers of the options. */
enum {
    EINF_CONV_PADDING = 0,
    EINF_CONV_STRIDE_W = 1,
    EINF_CONV_STRIDE_H = 2,
    EINF_CONV_ACTIVATION = 3
};
enum { EINF_CONV_DILATION_W = 4, EINF_CONV_DILATION_H = 5 };
enum { EINF_DEPTHWISE_MULTIPLIER = 3 }; /* and what follows is one number up from CONV's */
enum { EINF_DENSE_ACTIVATION = 0, EINF_DENSE_WEIGHTS_FORMAT = 1 };

/* `channel_dim` is the dimension of the outputs in the weights. */
static einf_status check_weights(const einf_operands *o, int32_t outputs, int32_t channel_dim) {
    const einf_tensor *w = o->right;
    if (w == NULL || w->data == NULL || w->type != EINF_TYPE_INT8 || w->zero_point != 0 ||
        (w->scales.length != 1 && w->scales.length != (uint32_t)w->stored[channel_dim])) {
        return EINF_UNSUPPORTED;
    }
    if (o->bias == NULL) {
        return EINF_OK;
    }
    const bool fits = o->bias->data != NULL && o->bias->type == EINF_TYPE_INT32;
    return !fits ? EINF_UNSUPPORTED : o->bias->elements == outputs ? EINF_OK : EINF_SHAPE;
}

/* Weights [out][y][x][in], or [1][y][x][out] when depthwise. */
static einf_status check_filter(einf_conv *c, const einf_tensor *w, bool depthwise) {
    if (w->rank != 4) {
        return EINF_SHAPE;
    }
    c->window.height = w->dims[1];
    c->window.width = w->dims[2];
    if (w->elements / (depthwise ? c->out.channels : w->dims[0]) > EINF_MAX_FILTER) {
        return EINF_UNSUPPORTED;
    }
    if (!depthwise) {
        const bool fits = w->dims[0] == c->out.channels && w->dims[3] == c->in.channels;
        return fits ? EINF_OK : EINF_SHAPE;
    }
    c->multiplier = c->out.channels / c->in.channels;
    const bool fits = w->dims[0] == 1 && w->dims[3] == c->out.channels &&
                      c->multiplier * c->in.channels == c->out.channels;
    return fits ? EINF_OK : EINF_SHAPE;
}

static einf_status read_options(einf_conv *c, const einf_operands *o, bool depthwise) {
    const einf_fb_table *options = &o->op->options;
    const uint32_t more = depthwise ? 1 : 0;
    c->window.stride_x = einf_fb_int32(options, EINF_CONV_STRIDE_W, 0);
    c->window.stride_y = einf_fb_int32(options, EINF_CONV_STRIDE_H, 0);
    c->window.dilation_x = einf_fb_int32(options, EINF_CONV_DILATION_W + more, 1);
    c->window.dilation_y = einf_fb_int32(options, EINF_CONV_DILATION_H + more, 1);
    const einf_status status = einf_activation_range(
        &c->range, einf_fb_int8(options, EINF_CONV_ACTIVATION + more, 0), o->out);
    return status ? status
                  : einf_fit_window(&c->window, einf_fb_int8(options, EINF_CONV_PADDING, 0), c->in,
                                    c->out);
}

/* The kernels of the full width want weights that lie without gaps, none of them negated. */
static void choose_kernel(einf_node *node, bool depthwise) {
    const einf_conv *c = &node->as.conv;
    if (depthwise) {
        const bool whole = c->tap_step == c->out.channels && c->negative == NULL;
        node->kind = whole ? EINF_NODE_DEPTHWISE : EINF_NODE_DEPTHWISE_PRUNED;
        return;
    }
    const bool whole = c->tap_step == c->in.channels && c->negative == NULL;
    node->kind = whole ? EINF_NODE_CONV : EINF_NODE_CONV_PRUNED;
    node->scratch_bytes =
        whole ? einf_conv2d_scratch_bytes(c) : einf_conv2d_pruned_scratch_bytes(c);
}

einf_status einf_prepare_conv(einf_node *node, const einf_operands *o, einf_arena *arena) {
    const bool depthwise = o->op->code == EINF_BUILTIN_DEPTHWISE_CONV_2D;
    einf_conv *c = &node->as.conv;
    einf_channels own;
    einf_status status = einf_map_of(&c->in, o->in);
    status = status ? status : einf_map_of(&c->out, o->out);
    status = status ? status : check_weights(o, c->out.channels, depthwise ? 3 : 0);
    status = status ? status : check_filter(c, o->right, depthwise);
    status = status ? status : read_options(c, o, depthwise);
    status =
        status ? status : einf_prepare_channels(&own, o, (uint32_t)c->out.channels, false, arena);
    if (status != EINF_OK) {
        return status;
    }
    c->input_offset = -o->in->zero_point;
    c->output_offset = o->out->zero_point;
    c->weights = (const int8_t *)o->right->data;
    c->bias = own.bias;
    c->scales = own.scales;
    c->negative = own.negative;
    c->tap_step = o->right->stored[3];
    choose_kernel(node, depthwise);
    return EINF_OK;
}

einf_status einf_prepare_dense(einf_node *node, const einf_operands *o, einf_arena *arena) {
    einf_dense *d = &node->as.dense;
    const einf_tensor *w = o->right;
    einf_channels own = {0};
    if (w == NULL || w->rank != 2 ||
        einf_fb_int8(&o->op->options, EINF_DENSE_WEIGHTS_FORMAT, 0) != 0) {
        return EINF_UNSUPPORTED;
    }
    d->outputs = w->dims[0];
    d->inputs = w->dims[1];
    d->rows = o->in->elements / d->inputs;
    if (d->rows * d->inputs != o->in->elements || o->out->elements % d->outputs != 0 ||
        o->out->elements / d->outputs != d->rows) {
        return EINF_SHAPE;
    }
    d->per_channel = w->scales.length > 1;
    einf_status status =
        d->inputs > EINF_MAX_FILTER ? EINF_UNSUPPORTED : check_weights(o, d->outputs, 0);
    status = status ? status
                    : einf_activation_range(&d->range,
                                            einf_fb_int8(&o->op->options, EINF_DENSE_ACTIVATION, 0),
                                            o->out);
    status = status ? status
                    : einf_prepare_channels(&own, o, (uint32_t)d->outputs, !d->per_channel, arena);
    d->input_offset = -o->in->zero_point;
    d->output_offset = o->out->zero_point;
    d->weights = (const int8_t *)w->data;
    d->bias = own.bias;
    d->scales = own.scales;
    d->negative = own.negative;
    d->pieces = w->pieces;
    d->piece_step = w->stored[1] / w->pieces;
    const bool whole = w->stored[1] == d->inputs && d->negative == NULL;
    node->kind = whole ? EINF_NODE_DENSE : EINF_NODE_DENSE_PRUNED;
    node->scratch_bytes = status || !whole ? 0 : einf_fully_connected_scratch_bytes(d);
    return status;
}
