#include "kernels/kernel_parts.h"

/* Sum over the taps of one channel; `corner` is the index of tap 0, which may be negative. */
static int32_t sum(const einf_pool *p, const int8_t *in, int32_t corner, einf_taps rows,
                   einf_taps columns) {
    int32_t acc = 0;
    for (int32_t ky = rows.first; ky < rows.end; ky++) {
        for (int32_t kx = columns.first; kx < columns.end; kx++) {
            acc += in[corner + (ky * p->in.width + kx) * p->in.channels];
        }
    }
    return acc;
}

static int8_t average(const einf_pool *p, const int8_t *in, int32_t corner, einf_taps rows,
                      einf_taps columns) {
    const int32_t count = (rows.end - rows.first) * (columns.end - columns.first);
    const int32_t acc = sum(p, in, corner, rows, columns);
    const int32_t half = acc > 0 ? count / 2 : -(count / 2);
    return (int8_t)einf_clamp((acc + half) / count, p->range.low, p->range.high);
}

static int8_t maximum(const einf_pool *p, const int8_t *in, int32_t corner, einf_taps rows,
                      einf_taps columns) {
    int32_t top = INT8_MIN;
    for (int32_t ky = rows.first; ky < rows.end; ky++) {
        for (int32_t kx = columns.first; kx < columns.end; kx++) {
            const int32_t value = in[corner + (ky * p->in.width + kx) * p->in.channels];
            top = value > top ? value : top;
        }
    }
    return (int8_t)einf_clamp(top, p->range.low, p->range.high);
}

typedef int8_t (*pool_rule)(const einf_pool *, const int8_t *, int32_t, einf_taps, einf_taps);

static void slide(const einf_pool *p, const int8_t *in, int8_t *out, pool_rule rule) {
    const einf_window *w = &p->window;
    for (int32_t oy = 0; oy < p->out.height; oy++) {
        const int32_t y = oy * w->stride_y - w->pad_top;
        const einf_taps rows = einf_taps_inside(y, 1, w->height, p->in.height);
        for (int32_t ox = 0; ox < p->out.width; ox++) {
            const int32_t x = ox * w->stride_x - w->pad_left;
            const einf_taps columns = einf_taps_inside(x, 1, w->width, p->in.width);
            const int32_t corner = (y * p->in.width + x) * p->in.channels;
            for (int32_t channel = 0; channel < p->out.channels; channel++) {
                *out++ = rule(p, in, corner + channel, rows, columns);
            }
        }
    }
}

void einf_average_pool(const einf_pool *pool, const int8_t *in, int8_t *out) {
    slide(pool, in, out, average);
}

void einf_max_pool(const einf_pool *pool, const int8_t *in, int8_t *out) {
    slide(pool, in, out, maximum);
}
