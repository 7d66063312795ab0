/**
 * @file
 * predictor.bin: where an input that stays will leave, told from the first exit's scores.
 *
 * The host's predictor (runtime/predictor.py), operation by operation in double
 * precision, so that both sort an input into the same bin. Little endian. Written by
 * firmware_bridge/image/tables.py.
 *
 *      0  4  "EIPR"
 *      4  1  version, 1: a softmax regression on the sorted scores
 *      5  1  later exits, e
 *      6  1  ranks, k: scores below the top one that are looked at
 *      7  1  bins, b
 *      8  4  bytes of the table
 *     12  4  millionths of the width that it was fitted at
 *     16  8  real value of one score unit; this and all that follows float64
 *     24     (e - 1) * (1 + k + 2): a constant and one factor a feature, for each later exit but
 *            the first, whose logit is 0
 *            b - 1: bounds between the bins on the expected later exit, ascending
 *            b * e: probability of each later exit, by bin
 */
#ifndef EINF_PREDICTOR_H
#define EINF_PREDICTOR_H

#include <stdint.h>

#include "edge_infer/status.h"

/** Name of the entry in a bundle file. */
#define EINF_PREDICTOR_FILE "predictor.bin"

/** Most scores that are looked at below the top one. */
#define EINF_MAX_RANKS 16U

/** A sound predictor, in place; of no bins where a bundle has none. */
typedef struct {
    uint32_t exits;
    uint32_t ranks;
    uint32_t bins;
    double scale;
    const uint8_t *factors;
    const uint8_t *edges;
    const uint8_t *probabilities; /**< float64, [bin][later exit]. */
} einf_predictor;

/**
 * Read a table in place.
 *
 * @retval EINF_UNSUPPORTED a version, a width or a number of ranks that this firmware does not do
 * @retval EINF_TRUNCATED, EINF_CORRUPT
 */
einf_status einf_predictor_open(einf_predictor *predictor, const uint8_t *table, uint32_t size);

/** The bin of an input from the first exit's raw scores, two or more. */
uint32_t einf_predictor_bin(const einf_predictor *predictor, const int8_t *scores, uint32_t count);

#endif
