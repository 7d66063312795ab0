#include "kernel_parts.h"

void ei_relu_of(const ei_relu *r, const int8_t *in, int8_t *out) {
    for (int32_t i = 0; i < r->count; i++) {
        out[i] = requantize(in[i] + r->input_offset, r->scale, r->output_offset, r->range);
    }
}
