/* Fully connected layer in plain C. */
#include "kernels/kernel_parts.h"

uint32_t einf_fully_connected_scratch_bytes(const einf_dense *dense) {
    (void)dense;
    return 0;
}

static int8_t answer(const einf_dense *d, const int8_t *in, int32_t output) {
    const int8_t *weights = d->weights + output * d->inputs;
    int32_t acc = 0;
    for (int32_t i = 0; i < d->inputs; i++) {
        acc += weights[i] * (in[i] + d->input_offset);
    }
    acc = einf_wrapping_add(acc, einf_bias_of(d->bias, output));
    return einf_requantize(acc, d->scales[d->per_channel ? output : 0], d->output_offset, d->range);
}

void einf_fully_connected(const einf_dense *d, const int8_t *in, int8_t *out, void *scratch) {
    (void)scratch;
    for (int32_t row = 0; row < d->rows; row++, in += d->inputs) {
        for (int32_t output = 0; output < d->outputs; output++) {
            *out++ = answer(d, in, output);
        }
    }
}
