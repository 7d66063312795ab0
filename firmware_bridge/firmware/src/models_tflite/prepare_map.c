#include "models_tflite/prepare_map.h"

#include <stddef.h>
#include <string.h>

enum {
    EINF_POOL_PADDING = 0,
    EINF_POOL_STRIDE_W = 1,
    EINF_POOL_STRIDE_H = 2,
    EINF_POOL_WIDTH = 3,
    EINF_POOL_HEIGHT = 4
};
enum { EINF_POOL_ACTIVATION = 5 };
enum { EINF_ADD_ACTIVATION = 0 };
enum { EINF_SOFTMAX_BETA = 0 };

/* More would need more than 31 bits for the sum of the powers. */
#define EINF_MAX_SOFTMAX_CLASSES 511

static int32_t int32_of(const einf_tensor *t, int32_t index) {
    int32_t value;
    memcpy(&value, t->data + 4 * index, sizeof value);
    return value;
}

einf_status einf_prepare_pool(einf_node *node, const einf_operands *o) {
    const einf_fb_table *options = &o->op->options;
    einf_pool *p = &node->as.pool;
    node->kind =
        o->op->code == EINF_BUILTIN_MAX_POOL_2D ? EINF_NODE_MAX_POOL : EINF_NODE_AVERAGE_POOL;
    einf_status status = einf_map_of(&p->in, o->in);
    status = status ? status : einf_map_of(&p->out, o->out);
    if (status != EINF_OK) {
        return status;
    }
    if (p->in.channels != p->out.channels) {
        return EINF_SHAPE;
    }
    if (!einf_same_quantization(o->in, o->out)) {
        return EINF_UNSUPPORTED;
    }
    p->window = (einf_window){
        .height = einf_fb_int32(options, EINF_POOL_HEIGHT, 0),
        .width = einf_fb_int32(options, EINF_POOL_WIDTH, 0),
        .stride_y = einf_fb_int32(options, EINF_POOL_STRIDE_H, 0),
        .stride_x = einf_fb_int32(options, EINF_POOL_STRIDE_W, 0),
        .dilation_y = 1,
        .dilation_x = 1,
    };
    status =
        einf_activation_range(&p->range, einf_fb_int8(options, EINF_POOL_ACTIVATION, 0), o->out);
    return status ? status
                  : einf_fit_window(&p->window, einf_fb_int8(options, EINF_POOL_PADDING, 0), p->in,
                                    p->out);
}

/* Strides of an input inside the output's shape, 0 where it is repeated. */
static einf_status repeat(int32_t strides[EINF_MAX_DIMS], const einf_tensor *in,
                          const int32_t *out) {
    int32_t dims[EINF_MAX_DIMS];
    einf_padded_dims(dims, in);
    int32_t stride = 1;
    for (int32_t d = EINF_MAX_DIMS - 1; d >= 0; d--) {
        if (dims[d] != out[d] && dims[d] != 1) {
            return EINF_SHAPE;
        }
        strides[d] = dims[d] == 1 ? 0 : stride;
        stride *= dims[d];
    }
    return EINF_OK;
}

static void sum_scales(einf_add *a, const einf_operands *o) {
    const double left = (double)o->in->scale, right = (double)o->right->scale;
    const double twice_larger = 2 * (left > right ? left : right);
    a->scales[0] = einf_scale_of(left / twice_larger);
    a->scales[1] = einf_scale_of(right / twice_larger);
    a->output_scale = einf_scale_of(twice_larger / ((double)(1 << 20) * (double)o->out->scale));
}

einf_status einf_prepare_add(einf_node *node, const einf_operands *o) {
    einf_add *a = &node->as.add;
    node->kind = EINF_NODE_ADD;
    if (!einf_is_activation(o->right)) {
        return EINF_UNSUPPORTED;
    }
    einf_padded_dims(a->dims, o->out);
    einf_status status = repeat(a->strides[0], o->in, a->dims);
    status = status ? status : repeat(a->strides[1], o->right, a->dims);
    a->same_shape = o->in->elements == o->out->elements && o->right->elements == o->out->elements;
    a->offsets[0] = -o->in->zero_point;
    a->offsets[1] = -o->right->zero_point;
    a->output_offset = o->out->zero_point;
    sum_scales(a, o);
    if (status == EINF_OK && a->output_scale.shift > 0) {
        return EINF_UNSUPPORTED;
    }
    return status ? status
                  : einf_activation_range(
                        &a->range, einf_fb_int8(&o->op->options, EINF_ADD_ACTIVATION, 0), o->out);
}

static einf_status read_axes(einf_mean *m, const einf_operands *o) {
    const int32_t missing = EINF_MAX_DIMS - o->in->rank;
    if (o->right == NULL || o->right->data == NULL || o->right->type != EINF_TYPE_INT32) {
        return EINF_UNSUPPORTED;
    }
    for (int32_t i = 0; i < o->right->elements; i++) {
        const int32_t given = int32_of(o->right, i);
        const int32_t axis = given < 0 ? given + o->in->rank : given;
        if (given < -EINF_MAX_DIMS || axis < 0 || axis >= o->in->rank) {
            return EINF_CORRUPT;
        }
        m->reduced[axis + missing] = true;
    }
    return EINF_OK;
}

/*
 * The division by the count is folded into the factor: shifted up as far as the count is large,
 * divided in 64 bits (kernels/internal/reference/reduce.h, QuantizedMeanOrSum).
 */
static einf_scale mean_scale(const einf_operands *o, int32_t count) {
    einf_scale scale = einf_scale_of((double)o->in->scale / (double)o->out->scale);
    int32_t shift = 0;
    while (shift < 31 && (count >> (shift + 1)) != 0) {
        shift++;
    }
    shift = shift < 31 + scale.shift ? shift : 31 + scale.shift;
    scale.multiplier = (int32_t)(((int64_t)scale.multiplier << shift) / count);
    scale.shift -= shift;
    return scale;
}

einf_status einf_prepare_mean(einf_node *node, const einf_operands *o) {
    einf_mean *m = &node->as.mean;
    node->kind = EINF_NODE_MEAN;
    einf_padded_dims(m->dims, o->in);
    const einf_status status = read_axes(m, o);
    if (status != EINF_OK) {
        return status;
    }
    m->count = 1;
    for (int32_t d = 0; d < EINF_MAX_DIMS; d++) {
        m->count *= m->reduced[d] ? m->dims[d] : 1;
    }
    if (o->in->elements / m->count != o->out->elements) {
        return EINF_SHAPE;
    }
    m->input_zero_point = o->in->zero_point;
    m->output_offset = o->out->zero_point;
    m->scale = mean_scale(o, m->count);
    return m->scale.shift > 30 ? EINF_UNSUPPORTED : EINF_OK;
}

einf_status einf_prepare_pad(einf_node *node, const einf_operands *o) {
    einf_pad *p = &node->as.pad;
    node->kind = EINF_NODE_PAD;
    if (o->right == NULL || o->right->data == NULL || o->right->type != EINF_TYPE_INT32 ||
        o->right->elements != 2 * o->in->rank || o->out->rank != o->in->rank ||
        !einf_same_quantization(o->in, o->out)) {
        return EINF_UNSUPPORTED;
    }
    einf_padded_dims(p->in, o->in);
    einf_padded_dims(p->out, o->out);
    p->value = (int8_t)o->out->zero_point;
    const int32_t missing = EINF_MAX_DIMS - o->in->rank;
    for (int32_t d = 0; d < o->in->rank; d++) {
        const int32_t before = int32_of(o->right, 2 * d), after = int32_of(o->right, 2 * d + 1);
        if (before < 0 || after < 0 || before > EINF_MAX_EXTENT || after > EINF_MAX_EXTENT ||
            before + p->in[missing + d] + after != p->out[missing + d]) {
            return EINF_SHAPE;
        }
        p->before[missing + d] = before;
    }
    return EINF_OK;
}

/* kernels/internal/quantization_util.cc, PreprocessSoftmaxScaling and CalculateInputRadius. */
einf_status einf_prepare_softmax(einf_node *node, const einf_operands *o) {
    einf_softmax *s = &node->as.softmax;
    node->kind = EINF_NODE_SOFTMAX;
    s->classes = o->in->rank ? o->in->dims[o->in->rank - 1] : 1;
    s->rows = o->in->elements / s->classes;
    const double beta = (double)einf_fb_float(&o->op->options, EINF_SOFTMAX_BETA, 0.0F);
    const double steps = beta * (double)o->in->scale * (double)(1 << 26);
    const double most = (double)(((int64_t)1 << 31) - 1);
    const bool output_fits = o->out->zero_point == INT8_MIN && !(o->out->scale < 1.0F / 256) &&
                             !(o->out->scale > 1.0F / 256);
    if (!(steps >= 1.0) || !output_fits || s->classes > EINF_MAX_SOFTMAX_CLASSES) {
        return EINF_UNSUPPORTED;
    }
    if (o->in->elements != o->out->elements) {
        return EINF_SHAPE;
    }
    const einf_scale scale = einf_scale_of(steps < most ? steps : most);
    s->multiplier = scale.multiplier;
    s->shift = scale.shift;
    s->diff_min = -(int32_t)(((int64_t)31 << 26) >> scale.shift);
    return EINF_OK;
}

einf_status einf_prepare_relu(einf_node *node, const einf_operands *o) {
    einf_relu *r = &node->as.relu;
    node->kind = EINF_NODE_RELU;
    if (o->in->elements != o->out->elements) {
        return EINF_SHAPE;
    }
    r->count = o->in->elements;
    r->input_offset = -o->in->zero_point;
    r->output_offset = o->out->zero_point;
    r->scale = einf_scale_of((double)o->in->scale / (double)o->out->scale);
    const int32_t activation =
        o->op->code == EINF_BUILTIN_RELU6 ? EINF_ACTIVATION_RELU6 : EINF_ACTIVATION_RELU;
    return r->scale.shift > 30 ? EINF_UNSUPPORTED
                               : einf_activation_range(&r->range, activation, o->out);
}
