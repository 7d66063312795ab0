#include "edge_infer/golden.h"

#include <string.h>

#include "edge_infer/bytes.h"
#include "edge_infer/zip.h"

#define EINF_HEADER_BYTES 16U
#define EINF_TOLERANCE    1

/* A sound table. */
typedef struct {
    bool quantised;
    uint32_t count;
    uint32_t frame_bytes;
    const uint8_t *frames;
    const int8_t *scores;
} vectors;

static einf_status open_vectors(vectors *v, const einf_bundle *b, const einf_zip_entry *entry) {
    const uint8_t *table = entry->data;
    const uint32_t stages = b->decisions.stage_count, labels = b->decisions.label_count;
    if (entry->bytes < EINF_HEADER_BYTES || memcmp(table, "EIGV", 4) != 0 || table[4] != 1) {
        return EINF_CORRUPT;
    }
    v->quantised = table[6] == 1;
    v->count = einf_u32(table + 8);
    v->frame_bytes = einf_u32(table + 12);
    v->frames = table + EINF_HEADER_BYTES;
    const uint64_t frames = (uint64_t)v->count * v->frame_bytes;
    const uint64_t scores = (uint64_t)v->count * stages * labels;
    const bool fits = table[5] == stages && v->frame_bytes == einf_bundle_frame_bytes(b) &&
                      v->count <= entry->bytes &&
                      EINF_HEADER_BYTES + frames + scores == entry->bytes;
    v->scores = (const int8_t *)v->frames + (fits ? frames : 0);
    return fits ? EINF_OK : EINF_CORRUPT;
}

static bool near(const int8_t *found, const int8_t *wanted, uint32_t labels) {
    for (uint32_t i = 0; i < labels; i++) {
        const int32_t off = found[i] - wanted[i];
        if (off > EINF_TOLERANCE || off < -EINF_TOLERANCE) {
            return false;
        }
    }
    return true;
}

static bool right(const einf_bundle *b, const vectors *v, uint32_t vector) {
    const uint32_t labels = b->decisions.label_count;
    for (uint32_t stage = 0; stage < b->decisions.stage_count; stage++) {
        (void)einf_bundle_run_stage(b, stage, v->frames + vector * v->frame_bytes, v->quantised);
        if (!near(einf_bundle_scores(b, stage), v->scores + (stage * v->count + vector) * labels,
                  labels)) {
            return false;
        }
    }
    return true;
}

einf_status einf_golden_run(const einf_bundle *b, uint32_t *next, bool (*go_on)(void)) {
    einf_zip_entry entry;
    vectors v;
    einf_status status = einf_zip_find(&entry, b->image.payload, b->image.payload_bytes,
                                       EINF_GOLDEN_FILE, sizeof EINF_GOLDEN_FILE - 1);
    status = status ? status : open_vectors(&v, b, &entry);
    if (status != EINF_OK) {
        return status;
    }
    while (*next < v.count) {
        if (!right(b, &v, *next)) {
            return EINF_SELF_TEST;
        }
        (*next)++;
        if (!go_on() && *next < v.count) {
            return EINF_BUSY;
        }
    }
    return EINF_OK;
}
