#include "kernels/kernel_parts.h"

void einf_relu_of(const einf_relu *r, const int8_t *in, int8_t *out) {
    for (int32_t i = 0; i < r->count; i++) {
        out[i] = einf_requantize(in[i] + r->input_offset, r->scale, r->output_offset, r->range);
    }
}
