/* CONV_2D, DEPTHWISE_CONV_2D and FULLY_CONNECTED: what has weights. */
#include "prepare.h"

#include <stddef.h>

#define MAX_FILTER (1 << 15) /* products of one output: 2^15 * 128 * 383 stays below 2^31 */

/* Field numbers of the options. */
enum { CONV_PADDING = 0, CONV_STRIDE_W = 1, CONV_STRIDE_H = 2, CONV_ACTIVATION = 3 };
enum { CONV_DILATION_W = 4, CONV_DILATION_H = 5 };
enum { DEPTHWISE_MULTIPLIER = 3 }; /* and what follows is one number up from CONV's */
enum { DENSE_ACTIVATION = 0, DENSE_WEIGHTS_FORMAT = 1 };

/* `channel_dim` is the dimension of the outputs in the weights. */
static ei_status check_weights(const operands *o, int32_t outputs, int32_t channel_dim) {
    const tensor *w = o->right;
    if (w == NULL || w->data == NULL || w->type != TYPE_INT8 || w->zero_point != 0 ||
        (w->scales.length != 1 && w->scales.length != (uint32_t)w->stored[channel_dim])) {
        return EI_UNSUPPORTED;
    }
    if (o->bias == NULL) {
        return EI_OK;
    }
    const bool fits = o->bias->data != NULL && o->bias->type == TYPE_INT32;
    return !fits ? EI_UNSUPPORTED : o->bias->elements == outputs ? EI_OK : EI_SHAPE;
}

/* Weights [out][y][x][in], or [1][y][x][out] when depthwise. */
static ei_status check_filter(ei_conv *c, const tensor *w, bool depthwise) {
    if (w->rank != 4) {
        return EI_SHAPE;
    }
    c->window.height = w->dims[1];
    c->window.width = w->dims[2];
    if (w->elements / (depthwise ? c->out.channels : w->dims[0]) > MAX_FILTER) {
        return EI_UNSUPPORTED;
    }
    if (!depthwise) {
        const bool fits = w->dims[0] == c->out.channels && w->dims[3] == c->in.channels;
        return fits ? EI_OK : EI_SHAPE;
    }
    c->multiplier = c->out.channels / c->in.channels;
    const bool fits = w->dims[0] == 1 && w->dims[3] == c->out.channels &&
                      c->multiplier * c->in.channels == c->out.channels;
    return fits ? EI_OK : EI_SHAPE;
}

static ei_status read_options(ei_conv *c, const operands *o, bool depthwise) {
    const fb_table *options = &o->op->options;
    const uint32_t more = depthwise ? 1 : 0;
    c->window.stride_x = fb_int32(options, CONV_STRIDE_W, 0);
    c->window.stride_y = fb_int32(options, CONV_STRIDE_H, 0);
    c->window.dilation_x = fb_int32(options, CONV_DILATION_W + more, 1);
    c->window.dilation_y = fb_int32(options, CONV_DILATION_H + more, 1);
    const ei_status status =
        activation_range(&c->range, fb_int8(options, CONV_ACTIVATION + more, 0), o->out);
    return status ? status
                  : fit_window(&c->window, fb_int8(options, CONV_PADDING, 0), c->in, c->out);
}

/* The kernels of the full width want weights that lie without gaps, none of them negated. */
static void choose_kernel(ei_node *node, bool depthwise) {
    const ei_conv *c = &node->as.conv;
    if (depthwise) {
        const bool whole = c->tap_step == c->out.channels && c->negative == NULL;
        node->kind = whole ? NODE_DEPTHWISE : NODE_DEPTHWISE_PRUNED;
        return;
    }
    const bool whole = c->tap_step == c->in.channels && c->negative == NULL;
    node->kind = whole ? NODE_CONV : NODE_CONV_PRUNED;
    node->scratch_bytes = whole ? ei_conv2d_scratch_bytes(c) : ei_conv2d_pruned_scratch_bytes(c);
}

ei_status prepare_conv(ei_node *node, const operands *o, ei_arena *arena) {
    const bool depthwise = o->op->code == OP_DEPTHWISE_CONV_2D;
    ei_conv *c = &node->as.conv;
    channels own;
    ei_status status = map_of(&c->in, o->in);
    status = status ? status : map_of(&c->out, o->out);
    status = status ? status : check_weights(o, c->out.channels, depthwise ? 3 : 0);
    status = status ? status : check_filter(c, o->right, depthwise);
    status = status ? status : read_options(c, o, depthwise);
    status = status ? status : prepare_channels(&own, o, (uint32_t)c->out.channels, false, arena);
    if (status != EI_OK) {
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
    return EI_OK;
}

ei_status prepare_dense(ei_node *node, const operands *o, ei_arena *arena) {
    ei_dense *d = &node->as.dense;
    const tensor *w = o->right;
    channels own = {0};
    if (w == NULL || w->rank != 2 || fb_int8(&o->op->options, DENSE_WEIGHTS_FORMAT, 0) != 0) {
        return EI_UNSUPPORTED;
    }
    d->outputs = w->dims[0];
    d->inputs = w->dims[1];
    d->rows = o->in->elements / d->inputs;
    if (d->rows * d->inputs != o->in->elements || o->out->elements % d->outputs != 0 ||
        o->out->elements / d->outputs != d->rows) {
        return EI_SHAPE;
    }
    d->per_channel = w->scales.length > 1;
    ei_status status = d->inputs > MAX_FILTER ? EI_UNSUPPORTED : check_weights(o, d->outputs, 0);
    status =
        status ? status
               : activation_range(&d->range, fb_int8(&o->op->options, DENSE_ACTIVATION, 0), o->out);
    status =
        status ? status : prepare_channels(&own, o, (uint32_t)d->outputs, !d->per_channel, arena);
    d->input_offset = -o->in->zero_point;
    d->output_offset = o->out->zero_point;
    d->weights = (const int8_t *)w->data;
    d->bias = own.bias;
    d->scales = own.scales;
    d->negative = own.negative;
    d->pieces = w->pieces;
    d->piece_step = w->stored[1] / w->pieces;
    const bool whole = w->stored[1] == d->inputs && d->negative == NULL;
    node->kind = whole ? NODE_DENSE : NODE_DENSE_PRUNED;
    node->scratch_bytes = status || !whole ? 0 : ei_fully_connected_scratch_bytes(d);
    return status;
}
