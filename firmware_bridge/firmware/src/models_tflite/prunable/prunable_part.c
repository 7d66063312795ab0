#include "models_tflite/prunable/prunable_part.h"

#include <stddef.h>

#include "edge_infer/bytes.h"
#include "edge_infer/ratio.h"
#include "edge_infer/sha256.h"

#define EINF_PRUNABLE_VERSION 1U
#define EINF_HASH_OFFSET      8U

static const char name[] = "edge_infer.prunable";

/* What is left to read; beyond it, `bad` is set and nothing is read. */
typedef struct {
    const uint8_t *at;
    uint32_t left;
    bool bad;
} cursor;

static const uint8_t *take(cursor *c, uint32_t bytes) {
    const uint8_t *at = c->at;
    if (c->bad || bytes > c->left) {
        c->bad = true;
        return NULL;
    }
    c->at += bytes;
    c->left -= bytes;
    return at;
}

static uint32_t take_number(cursor *c, uint32_t bytes) {
    const uint8_t *at = take(c, bytes);
    return at == NULL ? 0 : bytes == 1 ? at[0] : bytes == 2 ? einf_u16(at) : einf_u32(at);
}

static einf_status find(cursor *c, einf_model *m) {
    for (uint32_t i = 0; i < m->metadata.length && !m->file.bad; i++) {
        const einf_fb_table entry = einf_fb_table_at(&m->metadata, i);
        const einf_fb_vector text = einf_fb_vector_field(&entry, 0, 1);
        if (text.length != sizeof name - 1 ||
            memcmp(m->file.data + text.at, name, sizeof name - 1) != 0) {
            continue;
        }
        const einf_fb_table buffer =
            einf_fb_table_at(&m->buffers, (uint32_t)einf_fb_int32(&entry, 1, 0));
        const einf_fb_vector data = einf_fb_vector_field(&buffer, 0, 1);
        *c = (cursor){m->file.data + data.at, data.length, false};
        return m->file.bad ? EINF_CORRUPT : EINF_OK;
    }
    return m->file.bad ? EINF_CORRUPT : EINF_NO_ENTRY;
}

/* The hash is that of the whole file with its own bytes as zeros. */
static bool is_of_this_file(const einf_fb_file *file, const uint8_t *hash) {
    static const uint8_t zeros[EINF_SHA256_BYTES];
    const uint32_t before = (uint32_t)(hash - file->data);
    uint8_t digest[EINF_SHA256_BYTES];
    einf_sha256 sha;
    einf_sha256_begin(&sha);
    einf_sha256_add(&sha, file->data, before);
    einf_sha256_add(&sha, zeros, sizeof zeros);
    einf_sha256_add(&sha, hash + sizeof digest, file->size - before - (uint32_t)sizeof digest);
    einf_sha256_end(&sha, digest);
    return memcmp(digest, hash, sizeof digest) == 0;
}

static einf_status check_header(cursor *c, const einf_fb_file *file) {
    const uint8_t *header = take(c, EINF_HASH_OFFSET), *hash = take(c, EINF_SHA256_BYTES);
    if (c->bad) {
        return EINF_TRUNCATED;
    }
    if (memcmp(header, "EIPR", 4) != 0) {
        return EINF_CORRUPT;
    }
    if (einf_u16(header + 4) != EINF_PRUNABLE_VERSION) {
        return EINF_UNSUPPORTED;
    }
    return is_of_this_file(file, hash) ? EINF_OK : EINF_HASH;
}

static void read_layout(einf_prunable_part *p, cursor *c) {
    for (uint32_t i = 0; i < EINF_PART_COUNTS; i++) {
        p->counts[i] = take_number(c, 2);
    }
    p->sizes = take(c, 2 * p->counts[EINF_PART_GROUPS]);
    p->axes = c->at;
    for (uint32_t i = 0; i < p->counts[EINF_PART_AXES] && !c->bad; i++) {
        (void)take(c, 2);
        (void)take(c, 4 * take_number(c, 2));
    }
    p->cuts = take(c, 6 * p->counts[EINF_PART_CUTS]);
    p->shapes = take(c, 6 * p->counts[EINF_PART_SHAPES]);
    p->reshapes = take(c, 6 * p->counts[EINF_PART_RESHAPES]);
    p->layers = take(c, 8 * p->counts[EINF_PART_LAYERS]);
    p->activations = take(c, 2 * p->counts[EINF_PART_ACTIVATIONS]);
}

/* The fields of the next ratio; which one it is. */
static uint32_t read_ratio(einf_prunable_part *p, cursor *c) {
    const uint32_t bytes = take_number(c, 1);
    const uint8_t *text = take(c, bytes);
    const uint32_t activations = p->counts[EINF_PART_ACTIVATIONS],
                   layers = p->counts[EINF_PART_LAYERS];
    p->kept = take(c, 2 * p->counts[EINF_PART_GROUPS]);
    p->scales = take(c, 4 * activations);
    p->zero_points = take(c, 2 * activations);
    p->bases = take(c, 4 * layers);
    p->floors = take(c, 4 * layers);
    p->widths = take(c, 3 * layers);
    p->bits_bytes = take_number(c, 4);
    p->bits = take(c, p->bits_bytes);
    return c->bad ? 0 : einf_ratio_of((const char *)text, bytes);
}

einf_status einf_prunable_part_find(einf_prunable_part *part, einf_model *m, uint32_t ratio) {
    cursor c;
    einf_prunable_part found;
    bool seen = false;
    einf_status status = find(&c, m);
    status = status ? status : check_header(&c, &m->file);
    if (status != EINF_OK) {
        return status;
    }
    read_layout(&found, &c);
    for (uint32_t i = 0; i < found.counts[EINF_PART_RATIOS] && !c.bad; i++) {
        if (read_ratio(&found, &c) == ratio && !c.bad) {
            if (seen) {
                return EINF_CORRUPT; /* named twice */
            }
            seen = true;
            *part = found;
        }
    }
    return c.bad ? EINF_TRUNCATED : seen ? EINF_OK : EINF_NO_ENTRY;
}
