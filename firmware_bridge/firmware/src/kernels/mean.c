#include "kernels/kernel_parts.h"

typedef struct {
    int32_t limits[EINF_MAX_DIMS];
    int32_t strides[EINF_MAX_DIMS];
} axes;

/* The dimensions that are (not) reduced; the others count once. */
static axes pick(const einf_mean *m, bool reduced) {
    axes a;
    int32_t stride = 1;
    for (int32_t d = EINF_MAX_DIMS - 1; d >= 0; d--) {
        a.limits[d] = m->reduced[d] == reduced ? m->dims[d] : 1;
        a.strides[d] = stride;
        stride *= m->dims[d];
    }
    return a;
}

static int32_t sum(const axes *a, const int8_t *in) {
    int32_t acc = 0;
    for (int32_t i = 0; i < a->limits[0]; i++) {
        for (int32_t j = 0; j < a->limits[1]; j++) {
            for (int32_t k = 0; k < a->limits[2]; k++) {
                const int8_t *line = in + i * a->strides[0] + j * a->strides[1] + k * a->strides[2];
                for (int32_t l = 0; l < a->limits[3]; l++) {
                    acc += line[l];
                }
            }
        }
    }
    return acc;
}

void einf_mean_of(const einf_mean *m, const int8_t *in, int8_t *out) {
    const axes kept = pick(m, false);
    const axes reduced = pick(m, true);
    const einf_range range = {INT8_MIN, INT8_MAX};
    for (int32_t i = 0; i < kept.limits[0]; i++) {
        for (int32_t j = 0; j < kept.limits[1]; j++) {
            for (int32_t k = 0; k < kept.limits[2]; k++) {
                for (int32_t l = 0; l < kept.limits[3]; l++) {
                    const int32_t acc =
                        sum(&reduced, in + i * kept.strides[0] + j * kept.strides[1] +
                                          k * kept.strides[2] + l);
                    *out++ = einf_requantize(acc - m->input_zero_point * m->count, m->scale,
                                             m->output_offset, range);
                }
            }
        }
    }
}
