/* Fully connected layer with the DSP extension: the input widened once, two outputs at a time. */
#include "dot_dsp.h"

uint32_t ei_fully_connected_scratch_bytes(const ei_dense *d) {
    return (uint32_t)d->inputs * (uint32_t)sizeof(int16_t);
}

static int8_t finish(const ei_dense *d, int32_t acc, int32_t output) {
    return requantize(wrapping_add(acc, bias_of(d->bias, output)),
                      d->scales[d->per_channel ? output : 0], d->output_offset, d->range);
}

static void row_of(const ei_dense *d, const int16_t *wide, int8_t *out) {
    for (int32_t output = 0; output < d->outputs; output += 2) {
        const bool last = output + 1 == d->outputs;
        int32_t acc[2] = {0, 0};
        dot_2x1(d->weights + output * d->inputs, last ? 0 : d->inputs, wide, d->inputs, acc);
        out[output] = finish(d, acc[0], output);
        if (!last) {
            out[output + 1] = finish(d, acc[1], output + 1);
        }
    }
}

void ei_fully_connected(const ei_dense *d, const int8_t *in, int8_t *out, void *scratch) {
    for (int32_t row = 0; row < d->rows; row++, in += d->inputs, out += d->outputs) {
        widen(in, d->inputs, d->input_offset, scratch);
        row_of(d, scratch, out);
    }
}
