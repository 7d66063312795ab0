/*
 * Convolution with the DSP extension: the inputs of two output pixels are gathered and widened,
 * then two rows of weights at a time meet both.
 */
#include "kernels/dot_dsp.h"

static int32_t filter_of(const einf_conv *c) {
    return c->window.height * c->window.width * c->in.channels;
}

/* Two pixels side by side, and one window as it is gathered. */
uint32_t einf_conv2d_scratch_bytes(const einf_conv *c) {
    const int32_t filter = filter_of(c);
    return (uint32_t)(einf_fours(filter) * 4 * (int32_t)sizeof(uint32_t) + filter);
}

/* One row of the window; what lies outside the map is the zero point. */
static void gather_row(const einf_conv *c, const int8_t *line, int32_t x, einf_taps columns,
                       int8_t *patch) {
    const int32_t channels = c->in.channels, step = c->window.dilation_x;
    const size_t padding = (size_t)((c->window.width - columns.end) * channels);
    memset(patch, -c->input_offset, (size_t)(columns.first * channels));
    if (step == 1) {
        memcpy(patch + columns.first * channels, line + (x + columns.first) * channels,
               (size_t)((columns.end - columns.first) * channels));
    }
    for (int32_t kx = columns.first; step != 1 && kx < columns.end; kx++) {
        memcpy(patch + kx * channels, line + (x + kx * step) * channels, (size_t)channels);
    }
    memset(patch + columns.end * channels, -c->input_offset, padding);
}

/* Does the window lie inside the map, row after row in one piece? */
static bool whole(const einf_window *w, einf_taps rows, einf_taps columns) {
    return rows.first == 0 && rows.end == w->height && columns.first == 0 &&
           columns.end == w->width && w->dilation_x == 1;
}

/* The inputs of an output pixel, widened, in the order of the weights. */
static void gather(const einf_conv *c, const int8_t *in, int32_t pixel, int8_t *patch,
                   uint32_t *column, int32_t step) {
    const einf_window *w = &c->window;
    const int32_t row_bytes = w->width * c->in.channels;
    const int32_t y = pixel / c->out.width * w->stride_y - w->pad_top;
    const int32_t x = pixel % c->out.width * w->stride_x - w->pad_left;
    const einf_taps rows = einf_taps_inside(y, w->dilation_y, w->height, c->in.height);
    const einf_taps columns = einf_taps_inside(x, w->dilation_x, w->width, c->in.width);
    if (row_bytes % 4 == 0 && whole(w, rows, columns)) {
        for (int32_t ky = 0; ky < w->height; ky++) {
            const int8_t *line = in + ((y + ky * w->dilation_y) * c->in.width + x) * c->in.channels;
            einf_widen(line, row_bytes, c->input_offset, column + ky * row_bytes / 4 * step, step);
        }
        return;
    }
    memset(patch, -c->input_offset, (size_t)(w->height * row_bytes));
    for (int32_t ky = rows.first; ky < rows.end && columns.first < columns.end; ky++) {
        const int8_t *line = in + (y + ky * w->dilation_y) * c->in.width * c->in.channels;
        gather_row(c, line, x, columns, patch + ky * row_bytes);
    }
    einf_widen(patch, w->height * row_bytes, c->input_offset, column, step);
}

static int8_t finish(const einf_conv *c, int32_t acc, int32_t oc) {
    return einf_requantize(einf_wrapping_add(acc, einf_bias_of(c->bias, oc)), c->scales[oc],
                           c->output_offset, c->range);
}

/* Two neighbouring pixels from their columns. */
static void two_pixels(const einf_conv *c, const uint32_t *columns, int32_t filter, int8_t *out) {
    const int32_t outputs = c->out.channels;
    for (int32_t oc = 0; oc < outputs; oc += 2) {
        const int32_t next = oc + 1 < outputs ? oc + 1 : oc; /* the last row twice if it is alone */
        int32_t acc[4];
        einf_dot_2x2(c->weights + oc * filter, c->weights + next * filter, columns, filter, acc);
        out[oc] = finish(c, acc[0], oc);
        out[outputs + oc] = finish(c, acc[1], oc);
        out[next] = finish(c, acc[2], next);
        out[outputs + next] = finish(c, acc[3], next);
    }
}

static void one_pixel(const einf_conv *c, const uint32_t *column, int32_t filter, int8_t *out) {
    const int32_t outputs = c->out.channels;
    for (int32_t oc = 0; oc < outputs; oc += 2) {
        const int32_t next = oc + 1 < outputs ? oc + 1 : oc;
        int32_t acc[2];
        einf_dot_2x1(c->weights + oc * filter, c->weights + next * filter, column, filter, acc);
        out[oc] = finish(c, acc[0], oc);
        out[next] = finish(c, acc[1], next);
    }
}

void einf_conv2d(const einf_conv *c, const int8_t *in, int8_t *out, void *scratch) {
    const int32_t filter = filter_of(c), pixels = c->out.height * c->out.width;
    uint32_t *columns = scratch;
    int8_t *patch = (int8_t *)(columns + einf_fours(filter) * 4);
    int32_t pixel = 0;
    for (; pixel + 2 <= pixels; pixel += 2, out += 2 * c->out.channels) {
        gather(c, in, pixel, patch, columns, 4);
        gather(c, in, pixel + 1, patch, columns + 2, 4);
        two_pixels(c, columns, filter, out);
    }
    if (pixel < pixels) {
        gather(c, in, pixel, patch, columns, 2);
        one_pixel(c, columns, filter, out);
    }
}
