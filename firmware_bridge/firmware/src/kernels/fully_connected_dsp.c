/* Fully connected layer with the DSP extension: the input widened once, two outputs at a time. */
#include "kernels/dot_dsp.h"

uint32_t einf_fully_connected_scratch_bytes(const einf_dense *d) {
    return (uint32_t)(einf_fours(d->inputs) * 2 * (int32_t)sizeof(uint32_t));
}

static int8_t finish(const einf_dense *d, int32_t acc, int32_t output) {
    return einf_requantize(einf_wrapping_add(acc, einf_bias_of(d->bias, output)),
                           d->scales[d->per_channel ? output : 0], d->output_offset, d->range);
}

static void row_of(const einf_dense *d, const uint32_t *wide, int8_t *out) {
    for (int32_t output = 0; output < d->outputs; output += 2) {
        const int32_t next = output + 1 < d->outputs ? output + 1 : output;
        int32_t acc[2];
        einf_dot_2x1(d->weights + output * d->inputs, d->weights + next * d->inputs, wide,
                     d->inputs, acc);
        out[output] = finish(d, acc[0], output);
        out[next] = finish(d, acc[1], next);
    }
}

void einf_fully_connected(const einf_dense *d, const int8_t *in, int8_t *out, void *scratch) {
    for (int32_t row = 0; row < d->rows; row++, in += d->inputs, out += d->outputs) {
        einf_widen(in, d->inputs, d->input_offset, scratch, 2);
        row_of(d, scratch, out);
    }
}
