#include "kernels/kernel_parts.h"

/* The row of the input that belongs to an output row, NULL in the padding. */
static const int8_t *row_at(const einf_pad *p, const int8_t *in, int32_t i, int32_t j, int32_t k) {
    const int32_t at[3] = {i - p->before[0], j - p->before[1], k - p->before[2]};
    int32_t index = 0;
    for (int32_t d = 0; d < 3; d++) {
        if (at[d] < 0 || at[d] >= p->in[d]) {
            return NULL;
        }
        index = index * p->in[d] + at[d];
    }
    return in + index * p->in[3];
}

void einf_pad_of(const einf_pad *p, const int8_t *in, int8_t *out) {
    for (int32_t i = 0; i < p->out[0]; i++) {
        for (int32_t j = 0; j < p->out[1]; j++) {
            for (int32_t k = 0; k < p->out[2]; k++, out += p->out[3]) {
                const int8_t *row = row_at(p, in, i, j, k);
                memset(out, p->value, (size_t)p->out[3]);
                if (row != NULL) {
                    memcpy(out + p->before[3], row, (size_t)p->in[3]);
                }
            }
        }
    }
}
