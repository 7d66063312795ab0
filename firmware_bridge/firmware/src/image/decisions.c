#include "edge_infer/decisions.h"

#include <stddef.h>
#include <string.h>

#include "edge_infer/bytes.h"
#include "edge_infer/ratio.h"

#define EINF_HEADER_BYTES 20U
#define EINF_STAGE_BYTES  44U
#define EINF_RATIO_BYTES  12U
#define EINF_LOOKUP_BYTES 256U
#define EINF_SCORES_INT8  0U

static einf_status read_stage(einf_stage *s, const uint8_t *table, uint32_t size,
                              const uint8_t *at) {
    const uint32_t file = einf_u32(at), lookup = einf_u32(at + 24), name = einf_u32(at + 40);
    *s = (einf_stage){
        .file = (const char *)table + file,
        .file_bytes = einf_u16(at + 4),
        .name = (const char *)table + name,
        .name_bytes = einf_u16(at + 38),
        .reads_frame = at[6] == 0,
        .scores_output = at[8],
        .classes = (uint16_t)einf_u16(at + 10),
        .label_offset = (uint16_t)einf_u16(at + 12),
        .feature_count = at[14],
        .features = at + 16,
        .lookup_tables = at[15],
        .layout_nchw = at[36] == 1,
        .softmax = at[37] == 1,
    };
    s->lookup = s->lookup_tables ? (const int8_t *)table + lookup : NULL;
    if (!einf_fits(file, s->file_bytes, size) || !einf_fits(name, s->name_bytes, size) ||
        s->feature_count > EINF_MAX_FEATURES ||
        !einf_fits(lookup, s->lookup_tables * EINF_LOOKUP_BYTES, size)) {
        return EINF_CORRUPT;
    }
    return at[9] == EINF_SCORES_INT8 ? EINF_OK : EINF_UNSUPPORTED;
}

static einf_status read_stages(einf_decisions *d, const uint8_t *table, uint32_t size) {
    for (uint32_t i = 0; i < d->stage_count; i++) {
        einf_stage *s = &d->stages[i];
        const einf_status status =
            read_stage(s, table, size, table + EINF_HEADER_BYTES + i * EINF_STAGE_BYTES);
        if (status != EINF_OK) {
            return status;
        }
        /* Every answer that is not judged needs a threshold, and a second place. */
        if (s->classes < s->label_offset + 2U ||
            (uint32_t)(s->classes - s->label_offset) != d->label_count ||
            (!s->reads_frame && i == 0)) {
            return EINF_CORRUPT;
        }
    }
    return EINF_OK;
}

static einf_status read_ratio(einf_decisions *d, const uint8_t *table, uint32_t size,
                              const uint8_t *at) {
    const uint32_t thresholds = einf_u32(at + 8);
    if (at[4] > EINF_TOP_SCORE) {
        return EINF_UNSUPPORTED;
    }
    d->criterion = at[4] == EINF_TOP_SCORE ? EINF_TOP_SCORE : EINF_SCORE_MARGIN;
    d->thresholds = table + thresholds;
    const uint32_t count = (d->stage_count - 1) * d->label_count;
    return einf_fits(thresholds, count * 4, size) ? EINF_OK : EINF_CORRUPT;
}

uint32_t einf_decisions_ratio(const einf_decisions *d, uint32_t index) {
    return einf_u32(d->ratios + index * EINF_RATIO_BYTES);
}

/* The rules of a ratio; the first one has to be the full width. */
static einf_status choose_ratio(einf_decisions *d, const uint8_t *table, uint32_t size,
                                uint32_t ratio) {
    if (einf_decisions_ratio(d, 0) != EINF_FULL_WIDTH) {
        return EINF_CORRUPT;
    }
    for (uint32_t i = 0; i < d->ratio_count; i++) {
        if (einf_decisions_ratio(d, i) == ratio) {
            return read_ratio(d, table, size, d->ratios + i * EINF_RATIO_BYTES);
        }
    }
    return EINF_NO_ENTRY;
}

einf_status einf_decisions_open(einf_decisions *d, const uint8_t *table, uint32_t size,
                                uint32_t ratio) {
    memset(d, 0, sizeof *d);
    if (size < EINF_HEADER_BYTES) {
        return EINF_TRUNCATED;
    }
    const uint32_t stages = table[5], ratios = table[6];
    if (memcmp(table, "EIDT", 4) != 0 || table[4] != 1 || einf_u32(table + 8) != size ||
        stages == 0 || ratios == 0) {
        return EINF_CORRUPT;
    }
    if (stages > EINF_MAX_STAGES) {
        return EINF_TOO_MANY;
    }
    const uint32_t ratios_at = EINF_HEADER_BYTES + stages * EINF_STAGE_BYTES;
    if (!einf_fits(ratios_at, ratios * EINF_RATIO_BYTES, size)) {
        return EINF_TRUNCATED;
    }
    d->stage_count = stages;
    d->ratio_count = ratios;
    d->ratios = table + ratios_at;
    d->label_count = einf_u16(table + 12);
    d->name_bytes = einf_u16(table + 14);
    d->name = (const char *)table + einf_u32(table + 16);
    if (!einf_fits(einf_u32(table + 16), d->name_bytes, size)) {
        return EINF_CORRUPT;
    }
    const einf_status status = read_stages(d, table, size);
    return status ? status : choose_ratio(d, table, size, ratio);
}
