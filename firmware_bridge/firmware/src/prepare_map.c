/* Operators without weights. */
#include "prepare.h"

#include <stddef.h>
#include <string.h>

enum { POOL_PADDING = 0, POOL_STRIDE_W = 1, POOL_STRIDE_H = 2, POOL_WIDTH = 3, POOL_HEIGHT = 4 };
enum { POOL_ACTIVATION = 5 };
enum { ADD_ACTIVATION = 0 };
enum { SOFTMAX_BETA = 0 };

/* More would need more than 31 bits for the sum of the powers. */
#define MAX_SOFTMAX_CLASSES 511

static int32_t int32_of(const tensor *t, int32_t index) {
    int32_t value;
    memcpy(&value, t->data + 4 * index, sizeof value);
    return value;
}

ei_status prepare_pool(ei_node *node, const operands *o) {
    const fb_table *options = &o->op->options;
    ei_pool *p = &node->as.pool;
    node->kind = o->op->code == OP_MAX_POOL_2D ? NODE_MAX_POOL : NODE_AVERAGE_POOL;
    ei_status status = map_of(&p->in, o->in);
    status = status ? status : map_of(&p->out, o->out);
    if (status != EI_OK) {
        return status;
    }
    if (p->in.channels != p->out.channels) {
        return EI_SHAPE;
    }
    if (!same_quantization(o->in, o->out)) {
        return EI_UNSUPPORTED;
    }
    p->window = (ei_window){
        .height = fb_int32(options, POOL_HEIGHT, 0),
        .width = fb_int32(options, POOL_WIDTH, 0),
        .stride_y = fb_int32(options, POOL_STRIDE_H, 0),
        .stride_x = fb_int32(options, POOL_STRIDE_W, 0),
        .dilation_y = 1,
        .dilation_x = 1,
    };
    status = activation_range(&p->range, fb_int8(options, POOL_ACTIVATION, 0), o->out);
    return status ? status
                  : fit_window(&p->window, fb_int8(options, POOL_PADDING, 0), p->in, p->out);
}

/* Strides of an input inside the output's shape, 0 where it is repeated. */
static ei_status repeat(int32_t strides[EI_MAX_DIMS], const tensor *in, const int32_t *out) {
    int32_t dims[EI_MAX_DIMS];
    padded_dims(dims, in);
    int32_t stride = 1;
    for (int32_t d = EI_MAX_DIMS - 1; d >= 0; d--) {
        if (dims[d] != out[d] && dims[d] != 1) {
            return EI_SHAPE;
        }
        strides[d] = dims[d] == 1 ? 0 : stride;
        stride *= dims[d];
    }
    return EI_OK;
}

static void sum_scales(ei_add *a, const operands *o) {
    const double left = (double)o->in->scale, right = (double)o->right->scale;
    const double twice_larger = 2 * (left > right ? left : right);
    a->scales[0] = ei_scale_of(left / twice_larger);
    a->scales[1] = ei_scale_of(right / twice_larger);
    a->output_scale = ei_scale_of(twice_larger / ((double)(1 << 20) * (double)o->out->scale));
}

ei_status prepare_add(ei_node *node, const operands *o) {
    ei_add *a = &node->as.add;
    node->kind = NODE_ADD;
    if (!is_activation(o->right)) {
        return EI_UNSUPPORTED;
    }
    padded_dims(a->dims, o->out);
    ei_status status = repeat(a->strides[0], o->in, a->dims);
    status = status ? status : repeat(a->strides[1], o->right, a->dims);
    a->same_shape = o->in->elements == o->out->elements && o->right->elements == o->out->elements;
    a->offsets[0] = -o->in->zero_point;
    a->offsets[1] = -o->right->zero_point;
    a->output_offset = o->out->zero_point;
    sum_scales(a, o);
    if (status == EI_OK && a->output_scale.shift > 0) {
        return EI_UNSUPPORTED;
    }
    return status
               ? status
               : activation_range(&a->range, fb_int8(&o->op->options, ADD_ACTIVATION, 0), o->out);
}

static ei_status read_axes(ei_mean *m, const operands *o) {
    const int32_t missing = EI_MAX_DIMS - o->in->rank;
    if (o->right == NULL || o->right->data == NULL || o->right->type != TYPE_INT32) {
        return EI_UNSUPPORTED;
    }
    for (int32_t i = 0; i < o->right->elements; i++) {
        const int32_t given = int32_of(o->right, i);
        const int32_t axis = given < 0 ? given + o->in->rank : given;
        if (given < -EI_MAX_DIMS || axis < 0 || axis >= o->in->rank) {
            return EI_CORRUPT;
        }
        m->reduced[axis + missing] = true;
    }
    return EI_OK;
}

/*
 * The division by the count is folded into the factor: shifted up as far as the count is large,
 * divided in 64 bits (kernels/internal/reference/reduce.h, QuantizedMeanOrSum).
 */
static ei_scale mean_scale(const operands *o, int32_t count) {
    ei_scale scale = ei_scale_of((double)o->in->scale / (double)o->out->scale);
    int32_t shift = 0;
    while (shift < 31 && (count >> (shift + 1)) != 0) {
        shift++;
    }
    shift = shift < 31 + scale.shift ? shift : 31 + scale.shift;
    scale.multiplier = (int32_t)(((int64_t)scale.multiplier << shift) / count);
    scale.shift -= shift;
    return scale;
}

ei_status prepare_mean(ei_node *node, const operands *o) {
    ei_mean *m = &node->as.mean;
    node->kind = NODE_MEAN;
    padded_dims(m->dims, o->in);
    const ei_status status = read_axes(m, o);
    if (status != EI_OK) {
        return status;
    }
    m->count = 1;
    for (int32_t d = 0; d < EI_MAX_DIMS; d++) {
        m->count *= m->reduced[d] ? m->dims[d] : 1;
    }
    if (o->in->elements / m->count != o->out->elements) {
        return EI_SHAPE;
    }
    m->input_zero_point = o->in->zero_point;
    m->output_offset = o->out->zero_point;
    m->scale = mean_scale(o, m->count);
    return m->scale.shift > 30 ? EI_UNSUPPORTED : EI_OK;
}

ei_status prepare_pad(ei_node *node, const operands *o) {
    ei_pad *p = &node->as.pad;
    node->kind = NODE_PAD;
    if (o->right == NULL || o->right->data == NULL || o->right->type != TYPE_INT32 ||
        o->right->elements != 2 * o->in->rank || o->out->rank != o->in->rank ||
        !same_quantization(o->in, o->out)) {
        return EI_UNSUPPORTED;
    }
    padded_dims(p->in, o->in);
    padded_dims(p->out, o->out);
    p->value = (int8_t)o->out->zero_point;
    const int32_t missing = EI_MAX_DIMS - o->in->rank;
    for (int32_t d = 0; d < o->in->rank; d++) {
        const int32_t before = int32_of(o->right, 2 * d), after = int32_of(o->right, 2 * d + 1);
        if (before < 0 || after < 0 || before > MAX_EXTENT || after > MAX_EXTENT ||
            before + p->in[missing + d] + after != p->out[missing + d]) {
            return EI_SHAPE;
        }
        p->before[missing + d] = before;
    }
    return EI_OK;
}

/* kernels/internal/quantization_util.cc, PreprocessSoftmaxScaling and CalculateInputRadius. */
ei_status prepare_softmax(ei_node *node, const operands *o) {
    ei_softmax *s = &node->as.softmax;
    node->kind = NODE_SOFTMAX;
    s->classes = o->in->rank ? o->in->dims[o->in->rank - 1] : 1;
    s->rows = o->in->elements / s->classes;
    const double beta = (double)fb_float(&o->op->options, SOFTMAX_BETA, 0.0F);
    const double steps = beta * (double)o->in->scale * (double)(1 << 26);
    const double most = (double)(((int64_t)1 << 31) - 1);
    const bool output_fits = o->out->zero_point == INT8_MIN && !(o->out->scale < 1.0F / 256) &&
                             !(o->out->scale > 1.0F / 256);
    if (!(steps >= 1.0) || !output_fits || s->classes > MAX_SOFTMAX_CLASSES) {
        return EI_UNSUPPORTED;
    }
    if (o->in->elements != o->out->elements) {
        return EI_SHAPE;
    }
    const ei_scale scale = ei_scale_of(steps < most ? steps : most);
    s->multiplier = scale.multiplier;
    s->shift = scale.shift;
    s->diff_min = -(int32_t)(((int64_t)31 << 26) >> scale.shift);
    return EI_OK;
}

ei_status prepare_relu(ei_node *node, const operands *o) {
    ei_relu *r = &node->as.relu;
    node->kind = NODE_RELU;
    if (o->in->elements != o->out->elements) {
        return EI_SHAPE;
    }
    r->count = o->in->elements;
    r->input_offset = -o->in->zero_point;
    r->output_offset = o->out->zero_point;
    r->scale = ei_scale_of((double)o->in->scale / (double)o->out->scale);
    const int32_t activation = o->op->code == OP_RELU6 ? ACTIVATION_RELU6 : ACTIVATION_RELU;
    return r->scale.shift > 30 ? EI_UNSUPPORTED : activation_range(&r->range, activation, o->out);
}
