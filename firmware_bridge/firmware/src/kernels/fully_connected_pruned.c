/* Fully connected layer at a pruning ratio; one for all processors, since it is little work. */
#include "kernels/kernel_parts.h"

static int32_t at(const einf_dense *d, const int8_t *in, const int8_t *weights) {
    const int32_t run = d->inputs / d->pieces;
    int32_t acc = 0;
    for (int32_t piece = 0; piece < d->pieces; piece++, weights += d->piece_step, in += run) {
        for (int32_t i = 0; i < run; i++) {
            acc += weights[i] * (in[i] + d->input_offset);
        }
    }
    return acc;
}

void einf_fully_connected_pruned(const einf_dense *d, const int8_t *in, int8_t *out) {
    const int32_t row_step = d->pieces * d->piece_step;
    for (int32_t row = 0; row < d->rows; row++, in += d->inputs) {
        for (int32_t output = 0; output < d->outputs; output++) {
            const int32_t acc = at(d, in, d->weights + output * row_step);
            *out++ =
                einf_requantize(einf_wrapping_add(einf_signed_as(d->negative, output, acc),
                                                  einf_bias_of(d->bias, output)),
                                d->scales[d->per_channel ? output : 0], d->output_offset, d->range);
        }
    }
}
