/*
 * Convolution at a pruning ratio with the DSP extension: as at the full width, but tap by tap,
 * since the weights of a tap that count are followed by others.
 */
#include "kernels/dot_dsp.h"

/*
 * Weights of a tap that are multiplied: the channels, up to a whole word of them where the tap has
 * as many. What is read beyond the channels meets zeros.
 */
static int32_t run_of(const einf_conv *c) {
    const int32_t whole = 4 * einf_fours(c->in.channels);
    return whole <= c->tap_step ? whole : c->in.channels;
}

static int32_t taps_of(const einf_conv *c) {
    return c->window.height * c->window.width;
}

/* Two pixels side by side, each four channels of a tap two words. */
uint32_t einf_conv2d_pruned_scratch_bytes(const einf_conv *c) {
    return (uint32_t)(taps_of(c) * einf_fours(c->in.channels) * 4 * (int32_t)sizeof(uint32_t));
}

/* So many fours of zeros; returns what follows them. */
static uint32_t *widen_zeros(uint32_t *wide, int32_t count) {
    for (; count > 0; count--, wide += 4) {
        wide[0] = wide[1] = 0;
    }
    return wide;
}

/* The channels of a tap, widened and filled up with zeros. */
static uint32_t *widen_tap(const einf_conv *c, const int8_t *in, uint32_t *wide) {
    const int32_t whole = c->in.channels & ~3;
    int8_t last[4];
    einf_widen(in, whole, c->input_offset, wide, 4);
    if (whole < c->in.channels) {
        memset(last, -c->input_offset, sizeof last);
        memcpy(last, in + whole, (size_t)(c->in.channels - whole));
        einf_widen(last, 4, c->input_offset, wide + whole, 4);
    }
    return wide + 4 * einf_fours(c->in.channels);
}

/* Taps of a row that lie inside the map; `in` is where tap 0 lies, or would. */
static uint32_t *widen_taps(const einf_conv *c, const int8_t *in, einf_taps columns,
                            uint32_t *wide) {
    const int32_t channels = c->in.channels, step = c->window.dilation_x * channels;
    if (step == channels && channels % 4 == 0 && columns.first < columns.end) {
        const int32_t together = (columns.end - columns.first) * channels; /* one run of memory */
        einf_widen(in + columns.first * channels, together, c->input_offset, wide, 4);
        return wide + together;
    }
    for (int32_t kx = columns.first; kx < columns.end; kx++) {
        wide = widen_tap(c, in + kx * step, wide);
    }
    return wide;
}

/* The inputs of an output pixel; what lies outside the map is 0. */
static void gather(const einf_conv *c, const int8_t *in, int32_t pixel, uint32_t *wide) {
    const einf_window *w = &c->window;
    const int32_t y = pixel / c->out.width * w->stride_y - w->pad_top;
    const int32_t x = pixel % c->out.width * w->stride_x - w->pad_left;
    const int32_t tap = einf_fours(c->in.channels);
    const einf_taps rows = einf_taps_inside(y, w->dilation_y, w->height, c->in.height);
    const einf_taps columns = einf_taps_inside(x, w->dilation_x, w->width, c->in.width);
    const bool outside = rows.first >= rows.end || columns.first >= columns.end;
    if (outside) {
        widen_zeros(wide, w->height * w->width * tap);
        return;
    }
    wide = widen_zeros(wide, rows.first * w->width * tap);
    for (int32_t ky = rows.first; ky < rows.end; ky++) {
        const int32_t line = (y + ky * w->dilation_y) * c->in.width + x;
        wide = widen_zeros(wide, columns.first * tap);
        wide = widen_taps(c, in + line * c->in.channels, columns, wide);
        wide = widen_zeros(wide, (w->width - columns.end) * tap);
    }
    widen_zeros(wide, (w->height - rows.end) * w->width * tap);
}

/* Two rows of weights with two pixels, tap by tap. */
static void dot_taps(const einf_conv *c, const int8_t *w0, const int8_t *w1, const uint32_t *wide,
                     int32_t acc[4]) {
    const int32_t run = run_of(c), gap = c->tap_step - (run & ~3);
    acc[0] = acc[1] = acc[2] = acc[3] = 0;
    for (int32_t tap = taps_of(c); tap > 0; tap--, w0 += gap, w1 += gap) {
        for (const uint32_t *end = wide + (run & ~3); wide != end; w0 += 4, w1 += 4) {
            wide = einf_multiply_2x2(einf_load_word(w0), einf_load_word(w1), wide, acc);
        }
        if (run % 4) {
            wide = einf_multiply_2x2(einf_load_rest(w0, run % 4), einf_load_rest(w1, run % 4), wide,
                                     acc);
        }
    }
}

static int8_t finish(const einf_conv *c, int32_t acc, int32_t oc) {
    return einf_requantize(
        einf_wrapping_add(einf_signed_as(c->negative, oc, acc), einf_bias_of(c->bias, oc)),
        c->scales[oc], c->output_offset, c->range);
}

/* Two pixels, `apart` bytes from one to the other: 0 when there is one, gathered twice. */
static void two_pixels(const einf_conv *c, const uint32_t *wide, int8_t *out, int32_t apart) {
    const int32_t outputs = c->out.channels, filter = taps_of(c) * c->tap_step;
    for (int32_t oc = 0; oc < outputs; oc += 2) {
        const int32_t next = oc + 1 < outputs ? oc + 1 : oc; /* the last row twice if it is alone */
        int32_t acc[4];
        dot_taps(c, c->weights + oc * filter, c->weights + next * filter, wide, acc);
        out[oc] = finish(c, acc[0], oc);
        out[apart + oc] = finish(c, acc[1], oc);
        out[next] = finish(c, acc[2], next);
        out[apart + next] = finish(c, acc[3], next);
    }
}

void einf_conv2d_pruned(const einf_conv *c, const int8_t *in, int8_t *out, void *scratch) {
    const int32_t pixels = c->out.height * c->out.width, outputs = c->out.channels;
    uint32_t *wide = scratch;
    for (int32_t pixel = 0; pixel < pixels; pixel += 2, out += 2 * outputs) {
        const int32_t next = pixel + 1 < pixels ? pixel + 1 : pixel;
        gather(c, in, pixel, wide);
        gather(c, in, next, wide + 2);
        two_pixels(c, wide, out, (next - pixel) * outputs);
    }
}
