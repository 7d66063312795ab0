/**
 * @file
 * decisions.bin: what the manifest decides, as numbers; `edge-infer bundle pack` writes it.
 *
 * Little endian; offsets count from the begin of the table. Written by
 * firmware_bridge/image/tables.py.
 *
 *     Header, 20 bytes
 *      0  4  "EIDT"
 *      4  1  version, 1
 *      5  1  stages, n
 *      6  1  ratios, r
 *      7  1  0
 *      8  4  bytes of the table
 *     12  2  labels, l
 *     14  2  length of the bundle's name
 *     16  4  its offset
 *     Stage, 44 bytes, n times from 20 on
 *      0  4  offset of the file's name
 *      4  2  its length
 *      6  1  reads: 0 the frame, 1 the features of the stage before
 *      7  1  frames are: 0 uint8, looked up in tables; 1 of another type, to be quantised before
 *      8  1  output with the scores
 *      9  1  type of the scores: 0 int8, 1 uint8, 2 float32
 *     10  2  values of the head
 *     12  2  leading ones without a label
 *     14  1  features handed on, f (at most 8)
 *     15  1  lookup tables: 0, 1, or one a channel
 *     16  8  outputs that are features, in the order of the next stage's inputs; the rest 0
 *     24  4  offset of the lookup tables: 256 int8 each, uint8 frame value to tensor value
 *     28  4  scale of the scores, float32
 *     32  4  zero point of the scores
 *     36  1  the tensor's layout: 0 NHWC, 1 NCHW
 *     37  1  scores are: 0 logits, 1 a softmax
 *     38  2  length of the stage's name
 *     40  4  its offset
 *     Ratio, 12 bytes, r times, the full width first
 *      0  4  millionths of the width
 *      4  1  criterion: 0 score margin, 1 top score, 2 entropy (for other devices)
 *      5  3  0
 *      8  4  offset of (n - 1) * l int32: leave stage k with answer a at a confidence of at
 *            least [k * l + a]; 0 where thresholds are no integers
 */
#ifndef EINF_DECISIONS_H
#define EINF_DECISIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "edge_infer/status.h"

/** Name of the entry in a bundle file. */
#define EINF_DECISIONS_FILE "decisions.bin"

/** Most stages. */
#define EINF_MAX_STAGES 6U

/** Most features from one stage to the next. */
#define EINF_MAX_FEATURES 8U

/** When to leave. */
typedef enum { EINF_SCORE_MARGIN = 0, EINF_TOP_SCORE = 1 } einf_criterion;

/** One stage. */
typedef struct {
    const char *file; /**< Not terminated, as all texts of the table. */
    uint32_t file_bytes;
    const char *name;
    uint32_t name_bytes;
    bool reads_frame;
    bool layout_nchw;
    bool softmax;
    uint8_t scores_output;
    uint16_t classes;
    uint16_t label_offset;
    uint32_t feature_count;
    const uint8_t *features;
    uint32_t lookup_tables;
    const int8_t *lookup; /**< NULL when frames come quantised. */
} einf_stage;

/** A table that is sound and within what this firmware does. */
typedef struct {
    const char *name;
    uint32_t name_bytes;
    uint32_t stage_count;
    uint32_t label_count;
    einf_stage stages[EINF_MAX_STAGES];
    einf_criterion criterion;  /**< Of the ratio. */
    const uint8_t *thresholds; /**< Of the ratio; int32, (stages - 1) * labels. */
    uint32_t ratio_count;
    const uint8_t *ratios; /**< The records; see einf_decisions_ratio. */
} einf_decisions;

/**
 * Read a table in place.
 *
 * @param ratio whose rules count, in millionths of the width.
 * @retval EINF_NO_ENTRY the table has no such ratio
 * @retval EINF_TRUNCATED, EINF_CORRUPT, EINF_TOO_MANY
 * @retval EINF_UNSUPPORTED scores that are not int8, or the entropy criterion.
 */
einf_status einf_decisions_open(einf_decisions *decisions, const uint8_t *table, uint32_t size,
                                uint32_t ratio);

/** A ratio of the table, in millionths of the width; that of index 0 is the full width. */
uint32_t einf_decisions_ratio(const einf_decisions *decisions, uint32_t index);

#endif
