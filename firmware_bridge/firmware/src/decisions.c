#include "edge_infer/decisions.h"

#include <stddef.h>
#include <string.h>

#include "edge_infer/bytes.h"
#include "edge_infer/ratio.h"

#define HEADER_BYTES 20U
#define STAGE_BYTES  44U
#define RATIO_BYTES  12U
#define LOOKUP_BYTES 256U
#define SCORES_INT8  0U

static ei_status read_stage(ei_stage *s, const uint8_t *table, uint32_t size, const uint8_t *at) {
    const uint32_t file = ei_u32(at), lookup = ei_u32(at + 24), name = ei_u32(at + 40);
    *s = (ei_stage){
        .file = (const char *)table + file,
        .file_bytes = ei_u16(at + 4),
        .name = (const char *)table + name,
        .name_bytes = ei_u16(at + 38),
        .reads_frame = at[6] == 0,
        .scores_output = at[8],
        .classes = (uint16_t)ei_u16(at + 10),
        .label_offset = (uint16_t)ei_u16(at + 12),
        .feature_count = at[14],
        .features = at + 16,
        .lookup_tables = at[15],
        .layout_nchw = at[36] == 1,
        .softmax = at[37] == 1,
    };
    s->lookup = s->lookup_tables ? (const int8_t *)table + lookup : NULL;
    if (!ei_fits(file, s->file_bytes, size) || !ei_fits(name, s->name_bytes, size) ||
        s->feature_count > EI_MAX_FEATURES ||
        !ei_fits(lookup, s->lookup_tables * LOOKUP_BYTES, size)) {
        return EI_CORRUPT;
    }
    return at[9] == SCORES_INT8 ? EI_OK : EI_UNSUPPORTED;
}

static ei_status read_stages(ei_decisions *d, const uint8_t *table, uint32_t size) {
    for (uint32_t i = 0; i < d->stage_count; i++) {
        ei_stage *s = &d->stages[i];
        const ei_status status = read_stage(s, table, size, table + HEADER_BYTES + i * STAGE_BYTES);
        if (status != EI_OK) {
            return status;
        }
        /* Every answer that is not judged needs a threshold, and a second place. */
        if (s->classes < s->label_offset + 2U ||
            (uint32_t)(s->classes - s->label_offset) != d->label_count ||
            (!s->reads_frame && i == 0)) {
            return EI_CORRUPT;
        }
    }
    return EI_OK;
}

static ei_status read_ratio(ei_decisions *d, const uint8_t *table, uint32_t size,
                            const uint8_t *at) {
    const uint32_t thresholds = ei_u32(at + 8);
    if (at[4] > EI_TOP_SCORE) {
        return EI_UNSUPPORTED;
    }
    d->criterion = at[4] == EI_TOP_SCORE ? EI_TOP_SCORE : EI_SCORE_MARGIN;
    d->thresholds = table + thresholds;
    const uint32_t count = (d->stage_count - 1) * d->label_count;
    return ei_fits(thresholds, count * 4, size) ? EI_OK : EI_CORRUPT;
}

uint32_t ei_decisions_ratio(const ei_decisions *d, uint32_t index) {
    return ei_u32(d->ratios + index * RATIO_BYTES);
}

/* The rules of a ratio; the first one has to be the full width. */
static ei_status choose_ratio(ei_decisions *d, const uint8_t *table, uint32_t size,
                              uint32_t ratio) {
    if (ei_decisions_ratio(d, 0) != EI_FULL_WIDTH) {
        return EI_CORRUPT;
    }
    for (uint32_t i = 0; i < d->ratio_count; i++) {
        if (ei_decisions_ratio(d, i) == ratio) {
            return read_ratio(d, table, size, d->ratios + i * RATIO_BYTES);
        }
    }
    return EI_NO_ENTRY;
}

ei_status ei_decisions_open(ei_decisions *d, const uint8_t *table, uint32_t size, uint32_t ratio) {
    memset(d, 0, sizeof *d);
    if (size < HEADER_BYTES) {
        return EI_TRUNCATED;
    }
    const uint32_t stages = table[5], ratios = table[6];
    if (memcmp(table, "EIDT", 4) != 0 || table[4] != 1 || ei_u32(table + 8) != size ||
        stages == 0 || ratios == 0) {
        return EI_CORRUPT;
    }
    if (stages > EI_MAX_STAGES) {
        return EI_TOO_MANY;
    }
    const uint32_t ratios_at = HEADER_BYTES + stages * STAGE_BYTES;
    if (!ei_fits(ratios_at, ratios * RATIO_BYTES, size)) {
        return EI_TRUNCATED;
    }
    d->stage_count = stages;
    d->ratio_count = ratios;
    d->ratios = table + ratios_at;
    d->label_count = ei_u16(table + 12);
    d->name_bytes = ei_u16(table + 14);
    d->name = (const char *)table + ei_u32(table + 16);
    if (!ei_fits(ei_u32(table + 16), d->name_bytes, size)) {
        return EI_CORRUPT;
    }
    const ei_status status = read_stages(d, table, size);
    return status ? status : choose_ratio(d, table, size, ratio);
}
