/* Depthwise convolution in plain C. */
#include "kernels/kernel_parts.h"

/* One output value before rescaling: `in` and `weights` stand at their channel. */
static int32_t at(const einf_conv *c, const int8_t *in, const int8_t *weights, int32_t y, int32_t x,
                  einf_taps rows, einf_taps columns) {
    const einf_window *w = &c->window;
    int32_t acc = 0;
    for (int32_t ky = rows.first; ky < rows.end; ky++) {
        const int8_t *line = in + (y + ky * w->dilation_y) * c->in.width * c->in.channels;
        const int8_t *tap = weights + ky * w->width * c->tap_step;
        for (int32_t kx = columns.first; kx < columns.end; kx++) {
            acc += tap[kx * c->tap_step] *
                   (line[(x + kx * w->dilation_x) * c->in.channels] + c->input_offset);
        }
    }
    return acc;
}

void einf_depthwise(const einf_conv *c, const int8_t *in, int8_t *out) {
    const einf_window *w = &c->window;
    for (int32_t oy = 0; oy < c->out.height; oy++) {
        const int32_t y = oy * w->stride_y - w->pad_top;
        const einf_taps rows = einf_taps_inside(y, w->dilation_y, w->height, c->in.height);
        for (int32_t ox = 0; ox < c->out.width; ox++) {
            const int32_t x = ox * w->stride_x - w->pad_left;
            const einf_taps columns = einf_taps_inside(x, w->dilation_x, w->width, c->in.width);
            for (int32_t oc = 0; oc < c->out.channels; oc++) {
                const int32_t acc =
                    at(c, in + oc / c->multiplier, c->weights + oc, y, x, rows, columns);
                *out++ = einf_requantize(einf_wrapping_add(einf_signed_as(c->negative, oc, acc),
                                                           einf_bias_of(c->bias, oc)),
                                         c->scales[oc], c->output_offset, c->range);
            }
        }
    }
}

void einf_depthwise_pruned(const einf_conv *c, const int8_t *in, int8_t *out) {
    einf_depthwise(c, in, out);
}
