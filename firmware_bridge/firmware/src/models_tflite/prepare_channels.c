#include "models_tflite/prepare_channels.h"

#include <stddef.h>
#include <string.h>

/* The scale of a channel's weights, of the file or of the ratio. */
static float weight_scale(const einf_operands *o, uint32_t channel) {
    const uint32_t index = o->right->scales.length > 1 ? channel : 0;
    return o->layer ? einf_pruned_scale(o->layer, index)
                    : einf_fb_float_at(&o->right->scales, index);
}

/* One factor per output channel: input scale * weight scale / output scale. */
static einf_status channel_scales(einf_scale *made, const einf_operands *o, uint32_t outputs) {
    for (uint32_t i = 0; i < outputs; i++) {
        const float scale = weight_scale(o, i);
        if (!(scale > 0.0F)) {
            return EINF_CORRUPT;
        }
        made[i] = einf_scale_of((double)o->in->scale * (double)scale / (double)o->out->scale);
        if (made[i].shift > 30) {
            return EINF_UNSUPPORTED;
        }
    }
    return EINF_OK;
}

/*
 * With one weight scale, the product of input and weight scale is rounded to float before it is
 * divided (kernel_util.cc, GetQuantizedConvolutionMultipler).
 */
static einf_status one_scale(einf_scale *made, const einf_operands *o) {
    const float scale = weight_scale(o, 0);
    const volatile float product = o->in->scale * scale;
    if (!(scale > 0.0F)) {
        return EINF_CORRUPT;
    }
    *made = einf_scale_of((double)product / (double)o->out->scale);
    return made->shift > 30 ? EINF_UNSUPPORTED : EINF_OK;
}

/* The biases of the ratio, as those of a file: four bytes each. */
static einf_status decode_biases(const uint8_t **biases, const einf_operands *o, uint32_t outputs,
                                 einf_arena *arena) {
    uint8_t *made = einf_arena_keep(arena, 4 * outputs);
    if (made == NULL) {
        return EINF_ARENA;
    }
    for (uint32_t i = 0; i < outputs; i++) {
        int32_t bias;
        if (!einf_pruned_bias(o->layer, i, weight_scale(o, i), &bias)) {
            return EINF_CORRUPT;
        }
        memcpy(made + (size_t)4 * i, &bias, sizeof bias);
    }
    *biases = made;
    return EINF_OK;
}

static einf_status decode_signs(const uint8_t **signs, const einf_operands *o, uint32_t outputs,
                                einf_arena *arena) {
    uint8_t *made = einf_arena_keep(arena, outputs);
    if (made == NULL) {
        return EINF_ARENA;
    }
    for (uint32_t i = 0; i < outputs; i++) {
        made[i] = einf_pruned_negative(o->layer, i);
    }
    *signs = made;
    return EINF_OK;
}

static einf_status decode_layer(einf_channels *c, const einf_operands *o, uint32_t outputs,
                                einf_arena *arena) {
    const bool one_axis =
        o->right->scales.length == 1 || o->layer->counts[EINF_LAYER_CODE_SCALE] == outputs;
    if (o->layer->bias != o->bias || !one_axis) {
        return EINF_CORRUPT;
    }
    einf_status status = o->bias ? decode_biases(&c->bias, o, outputs, arena) : EINF_OK;
    if (status == EINF_OK && o->layer->widths[EINF_LAYER_CODE_SIGN] > 0) {
        status = decode_signs(&c->negative, o, outputs, arena);
    }
    return status;
}

einf_status einf_prepare_channels(einf_channels *c, const einf_operands *o, uint32_t outputs,
                                  bool one_for_all, einf_arena *arena) {
    einf_scale *scales =
        einf_arena_keep(arena, (one_for_all ? 1 : outputs) * (uint32_t)sizeof *scales);
    if (scales == NULL) {
        return EINF_ARENA;
    }
    *c = (einf_channels){scales, o->bias == NULL ? NULL : o->bias->data, NULL};
    const einf_status status =
        one_for_all ? one_scale(scales, o) : channel_scales(scales, o, outputs);
    return status || o->layer == NULL ? status : decode_layer(c, o, outputs, arena);
}
