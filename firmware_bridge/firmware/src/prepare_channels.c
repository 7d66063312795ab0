/* What layers with weights have per output channel: factors, biases, signs. */
#include <stddef.h>
#include <string.h>

#include "prepare.h"

/* The scale of a channel's weights, of the file or of the ratio. */
static float weight_scale(const operands *o, uint32_t channel) {
    const uint32_t index = o->right->scales.length > 1 ? channel : 0;
    return o->layer ? pruned_scale(o->layer, index) : fb_float_at(&o->right->scales, index);
}

/* One factor per output channel: input scale * weight scale / output scale. */
static ei_status channel_scales(ei_scale *made, const operands *o, uint32_t outputs) {
    for (uint32_t i = 0; i < outputs; i++) {
        const float scale = weight_scale(o, i);
        if (!(scale > 0.0F)) {
            return EI_CORRUPT;
        }
        made[i] = ei_scale_of((double)o->in->scale * (double)scale / (double)o->out->scale);
        if (made[i].shift > 30) {
            return EI_UNSUPPORTED;
        }
    }
    return EI_OK;
}

/*
 * With one weight scale, the product of input and weight scale is rounded to float before it is
 * divided (kernel_util.cc, GetQuantizedConvolutionMultipler).
 */
static ei_status one_scale(ei_scale *made, const operands *o) {
    const float scale = weight_scale(o, 0);
    const volatile float product = o->in->scale * scale;
    if (!(scale > 0.0F)) {
        return EI_CORRUPT;
    }
    *made = ei_scale_of((double)product / (double)o->out->scale);
    return made->shift > 30 ? EI_UNSUPPORTED : EI_OK;
}

/* The biases of the ratio, as those of a file: four bytes each. */
static ei_status decode_biases(const uint8_t **biases, const operands *o, uint32_t outputs,
                               ei_arena *arena) {
    uint8_t *made = ei_arena_keep(arena, 4 * outputs);
    if (made == NULL) {
        return EI_ARENA;
    }
    for (uint32_t i = 0; i < outputs; i++) {
        int32_t bias;
        if (!pruned_bias(o->layer, i, weight_scale(o, i), &bias)) {
            return EI_CORRUPT;
        }
        memcpy(made + (size_t)4 * i, &bias, sizeof bias);
    }
    *biases = made;
    return EI_OK;
}

static ei_status decode_signs(const uint8_t **signs, const operands *o, uint32_t outputs,
                              ei_arena *arena) {
    uint8_t *made = ei_arena_keep(arena, outputs);
    if (made == NULL) {
        return EI_ARENA;
    }
    for (uint32_t i = 0; i < outputs; i++) {
        made[i] = pruned_negative(o->layer, i);
    }
    *signs = made;
    return EI_OK;
}

static ei_status decode_layer(channels *c, const operands *o, uint32_t outputs, ei_arena *arena) {
    const bool one_axis = o->right->scales.length == 1 || o->layer->counts[CODE_SCALE] == outputs;
    if (o->layer->bias != o->bias || !one_axis) {
        return EI_CORRUPT;
    }
    ei_status status = o->bias ? decode_biases(&c->bias, o, outputs, arena) : EI_OK;
    if (status == EI_OK && o->layer->widths[CODE_SIGN] > 0) {
        status = decode_signs(&c->negative, o, outputs, arena);
    }
    return status;
}

ei_status prepare_channels(channels *c, const operands *o, uint32_t outputs, bool one_for_all,
                           ei_arena *arena) {
    ei_scale *scales = ei_arena_keep(arena, (one_for_all ? 1 : outputs) * (uint32_t)sizeof *scales);
    if (scales == NULL) {
        return EI_ARENA;
    }
    *c = (channels){scales, o->bias == NULL ? NULL : o->bias->data, NULL};
    const ei_status status =
        one_for_all ? one_scale(scales, o) : channel_scales(scales, o, outputs);
    return status || o->layer == NULL ? status : decode_layer(c, o, outputs, arena);
}
