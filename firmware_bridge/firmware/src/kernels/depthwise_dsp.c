/* Depthwise convolution with the DSP extension: four channels at a time. */
#include "kernels/dot_dsp.h"

/* Where a window lies on the map. */
typedef struct {
    int32_t y;
    int32_t x;
    einf_taps rows;
    einf_taps columns;
} place;

/* Four neighbouring channels from `channel` on, one output each. */
static void four_channels(const einf_conv *c, const int8_t *in, int32_t channel, const place *p,
                          int32_t acc[4]) {
    const einf_window *w = &c->window;
    const uint32_t offsets = einf_pair_of_same(c->input_offset);
    const int32_t step = w->dilation_x * c->in.channels;
    int32_t a0 = 0, a1 = 0, a2 = 0, a3 = 0;
    for (int32_t ky = p->rows.first; ky < p->rows.end; ky++) {
        const int32_t row = (p->y + ky * w->dilation_y) * c->in.width + p->x;
        const int8_t *x = in + row * c->in.channels + p->columns.first * step + channel;
        const int8_t *tap = c->weights + (ky * w->width + p->columns.first) * c->tap_step + channel;
        for (int32_t kx = p->columns.first; kx < p->columns.end; kx++) {
            const uint32_t values = einf_load_word(x), weights = einf_load_word(tap);
            const uint32_t x02 = einf_add_pairs(einf_bytes_0_2(values), offsets);
            const uint32_t x13 = einf_add_pairs(einf_bytes_1_3(values), offsets);
            const uint32_t w02 = einf_bytes_0_2(weights), w13 = einf_bytes_1_3(weights);
            a0 = einf_add_low_product(x02, w02, a0);
            a1 = einf_add_low_product(x13, w13, a1);
            a2 = einf_add_high_product(x02, w02, a2);
            a3 = einf_add_high_product(x13, w13, a3);
            x += step;
            tap += c->tap_step;
        }
    }
    acc[0] = a0;
    acc[1] = a1;
    acc[2] = a2;
    acc[3] = a3;
}

static int32_t one_output(const einf_conv *c, const int8_t *in, int32_t oc, const place *p) {
    const einf_window *w = &c->window;
    const int32_t channel = oc / c->multiplier;
    int32_t acc = 0;
    for (int32_t ky = p->rows.first; ky < p->rows.end; ky++) {
        const int8_t *line = in + (p->y + ky * w->dilation_y) * c->in.width * c->in.channels;
        for (int32_t kx = p->columns.first; kx < p->columns.end; kx++) {
            const int32_t x = line[(p->x + kx * w->dilation_x) * c->in.channels + channel];
            acc += c->weights[(ky * w->width + kx) * c->tap_step + oc] * (x + c->input_offset);
        }
    }
    return acc;
}

static int8_t finish(const einf_conv *c, int32_t acc, int32_t oc) {
    return einf_requantize(einf_wrapping_add(acc, einf_bias_of(c->bias, oc)), c->scales[oc],
                           c->output_offset, c->range);
}

static void pixel(const einf_conv *c, const int8_t *in, const place *p, int8_t *out) {
    int32_t oc = 0;
    for (; c->multiplier == 1 && oc + 4 <= c->out.channels; oc += 4) {
        int32_t acc[4];
        four_channels(c, in, oc, p, acc);
        for (int32_t i = 0; i < 4; i++) {
            out[oc + i] = finish(c, acc[i], oc + i);
        }
    }
    for (; oc < c->out.channels; oc++) {
        out[oc] = finish(c, one_output(c, in, oc, p), oc);
    }
}

/* The same where some channels' weights count negated. */
static void pixel_negated(const einf_conv *c, const int8_t *in, const place *p, int8_t *out) {
    int32_t oc = 0;
    for (; c->multiplier == 1 && oc + 4 <= c->out.channels; oc += 4) {
        int32_t acc[4];
        four_channels(c, in, oc, p, acc);
        for (int32_t i = 0; i < 4; i++) {
            out[oc + i] = finish(c, einf_signed_as(c->negative, oc + i, acc[i]), oc + i);
        }
    }
    for (; oc < c->out.channels; oc++) {
        out[oc] = finish(c, einf_signed_as(c->negative, oc, one_output(c, in, oc, p)), oc);
    }
}

static void slide(const einf_conv *c, const int8_t *in, int8_t *out, bool negated) {
    const einf_window *w = &c->window;
    for (int32_t oy = 0; oy < c->out.height; oy++) {
        const int32_t y = oy * w->stride_y - w->pad_top;
        const einf_taps rows = einf_taps_inside(y, w->dilation_y, w->height, c->in.height);
        for (int32_t ox = 0; ox < c->out.width; ox++, out += c->out.channels) {
            const int32_t x = ox * w->stride_x - w->pad_left;
            const einf_taps columns = einf_taps_inside(x, w->dilation_x, w->width, c->in.width);
            const place here = {y, x, rows, columns};
            if (negated) {
                pixel_negated(c, in, &here, out);
            } else {
                pixel(c, in, &here, out);
            }
        }
    }
}

void einf_depthwise(const einf_conv *c, const int8_t *in, int8_t *out) {
    slide(c, in, out, false);
}

void einf_depthwise_pruned(const einf_conv *c, const int8_t *in, int8_t *out) {
    slide(c, in, out, c->negative != NULL);
}
