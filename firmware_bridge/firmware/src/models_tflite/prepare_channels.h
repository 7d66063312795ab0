/**
 * @file
 * What layers with weights have per output channel: factors, biases, signs.
 */
#ifndef EINF_PREPARE_CHANNELS_H
#define EINF_PREPARE_CHANNELS_H

#include "models_tflite/operands.h"

/** What a layer has per output channel; `bias` and `negative` as in einf_conv. */
typedef struct {
    const einf_scale *scales;
    const uint8_t *bias;
    const uint8_t *negative;
} einf_channels;

/**
 * Compute them: the file's, or those of the ratio.
 *
 * @param one_for_all one factor for all channels instead of one each.
 */
einf_status einf_prepare_channels(einf_channels *c, const einf_operands *o, uint32_t outputs,
                                  bool one_for_all, einf_arena *arena);

#endif
