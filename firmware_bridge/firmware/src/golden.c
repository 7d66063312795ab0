#include "edge_infer/golden.h"

#include <string.h>

#include "edge_infer/bytes.h"
#include "edge_infer/zip.h"

#define HEADER_BYTES 16U
#define TOLERANCE    1

/* A sound table. */
typedef struct {
    bool quantised;
    uint32_t count;
    uint32_t frame_bytes;
    const uint8_t *frames;
    const int8_t *scores;
} vectors;

static ei_status open_vectors(vectors *v, const ei_bundle *b, const ei_zip_entry *entry) {
    const uint8_t *table = entry->data;
    const uint32_t stages = b->decisions.stage_count, labels = b->decisions.label_count;
    if (entry->bytes < HEADER_BYTES || memcmp(table, "EIGV", 4) != 0 || table[4] != 1) {
        return EI_CORRUPT;
    }
    v->quantised = table[6] == 1;
    v->count = ei_u32(table + 8);
    v->frame_bytes = ei_u32(table + 12);
    v->frames = table + HEADER_BYTES;
    const uint64_t frames = (uint64_t)v->count * v->frame_bytes;
    const uint64_t scores = (uint64_t)v->count * stages * labels;
    const bool fits = table[5] == stages && v->frame_bytes == ei_bundle_frame_bytes(b) &&
                      v->count <= entry->bytes && HEADER_BYTES + frames + scores == entry->bytes;
    v->scores = (const int8_t *)v->frames + (fits ? frames : 0);
    return fits ? EI_OK : EI_CORRUPT;
}

static bool near(const int8_t *found, const int8_t *wanted, uint32_t labels) {
    for (uint32_t i = 0; i < labels; i++) {
        const int32_t off = found[i] - wanted[i];
        if (off > TOLERANCE || off < -TOLERANCE) {
            return false;
        }
    }
    return true;
}

static bool right(const ei_bundle *b, const vectors *v, uint32_t vector) {
    const uint32_t labels = b->decisions.label_count;
    for (uint32_t stage = 0; stage < b->decisions.stage_count; stage++) {
        (void)ei_bundle_run_stage(b, stage, v->frames + vector * v->frame_bytes, v->quantised);
        if (!near(ei_bundle_scores(b, stage), v->scores + (stage * v->count + vector) * labels,
                  labels)) {
            return false;
        }
    }
    return true;
}

ei_status ei_golden_run(const ei_bundle *b, uint32_t *next, bool (*go_on)(void)) {
    ei_zip_entry entry;
    vectors v;
    ei_status status = ei_zip_find(&entry, b->image.payload, b->image.payload_bytes, EI_GOLDEN_FILE,
                                   sizeof EI_GOLDEN_FILE - 1);
    status = status ? status : open_vectors(&v, b, &entry);
    if (status != EI_OK) {
        return status;
    }
    while (*next < v.count) {
        if (!right(b, &v, *next)) {
            return EI_SELF_TEST;
        }
        (*next)++;
        if (!go_on() && *next < v.count) {
            return EI_BUSY;
        }
    }
    return EI_OK;
}
