/* Convolution in plain C. */
#include "kernels/kernel_parts.h"

uint32_t einf_conv2d_scratch_bytes(const einf_conv *conv) {
    (void)conv;
    return 0;
}

static int32_t dot(const int8_t *weights, const int8_t *in, int32_t count, int32_t offset) {
    int32_t acc = 0;
    for (int32_t i = 0; i < count; i++) {
        acc += weights[i] * (in[i] + offset);
    }
    return acc;
}

/* One output value before rescaling; neighbouring taps of a row are one run of memory. */
static int32_t at(const einf_conv *c, const int8_t *in, const int8_t *weights, int32_t y, int32_t x,
                  einf_taps rows, einf_taps columns) {
    const einf_window *w = &c->window;
    const int32_t channels = c->in.channels;
    const int32_t together = w->dilation_x == 1 ? columns.end - columns.first : 1;
    int32_t acc = 0;
    for (int32_t ky = rows.first; ky < rows.end; ky++) {
        const int8_t *line = in + (y + ky * w->dilation_y) * c->in.width * channels;
        for (int32_t kx = columns.first; kx < columns.end; kx += together) {
            acc += dot(weights + (ky * w->width + kx) * channels,
                       line + (x + kx * w->dilation_x) * channels, together * channels,
                       c->input_offset);
        }
    }
    return acc;
}

void einf_conv2d(const einf_conv *c, const int8_t *in, int8_t *out, void *scratch) {
    (void)scratch;
    const einf_window *w = &c->window;
    const int32_t filter = w->height * w->width * c->in.channels;
    for (int32_t oy = 0; oy < c->out.height; oy++) {
        const int32_t y = oy * w->stride_y - w->pad_top;
        const einf_taps rows = einf_taps_inside(y, w->dilation_y, w->height, c->in.height);
        for (int32_t ox = 0; ox < c->out.width; ox++) {
            const int32_t x = ox * w->stride_x - w->pad_left;
            const einf_taps columns = einf_taps_inside(x, w->dilation_x, w->width, c->in.width);
            for (int32_t oc = 0; oc < c->out.channels; oc++) {
                const int32_t acc = at(c, in, c->weights + oc * filter, y, x, rows, columns);
                *out++ = einf_requantize(einf_wrapping_add(acc, einf_bias_of(c->bias, oc)),
                                         c->scales[oc], c->output_offset, c->range);
            }
        }
    }
}
