#include "smp/cbor.h"

#include <string.h>

#define EINF_MAX_DEPTH 8

enum {
    EINF_CBOR_UNSIGNED = 0,
    EINF_CBOR_NEGATIVE = 1,
    EINF_CBOR_BYTES = 2,
    EINF_CBOR_TEXT = 3,
    EINF_CBOR_LIST = 4,
    EINF_CBOR_MAP = 5,
    EINF_CBOR_TAG = 6,
    EINF_CBOR_SIMPLE = 7
};
enum {
    EINF_CBOR_FALSE = 20,
    EINF_CBOR_TRUE = 21,
    EINF_CBOR_FLOAT64 = 27,
    EINF_CBOR_INDEFINITE = 31
};

/* The head of an item: its type, and its number or length. */
typedef struct {
    uint32_t type;
    uint32_t info;
    uint64_t value;
} item;

/* Reads a head; moves `at` behind it. Indefinite lengths are for lists and maps only. */
static bool read_head(const einf_cbor_map *m, uint32_t *at, item *head) {
    if (*at >= m->bytes) {
        return false;
    }
    const uint8_t first = m->data[(*at)++];
    head->type = first >> 5;
    head->info = first & 31;
    head->value = head->info;
    if (head->info < 24) {
        return head->type != EINF_CBOR_TAG;
    }
    if (head->info == EINF_CBOR_INDEFINITE) {
        return head->type == EINF_CBOR_LIST || head->type == EINF_CBOR_MAP ||
               head->type == EINF_CBOR_SIMPLE;
    }
    const uint32_t bytes = head->info > 27 ? 0 : 1U << (head->info - 24);
    if (bytes == 0 || bytes > m->bytes - *at || head->type == EINF_CBOR_TAG) {
        return false;
    }
    head->value = 0;
    for (uint32_t i = 0; i < bytes; i++) {
        head->value = head->value << 8 | m->data[(*at)++];
    }
    return true;
}

static bool is_break(const item *head) {
    return head->type == EINF_CBOR_SIMPLE && head->info == EINF_CBOR_INDEFINITE;
}

static bool skip(const einf_cbor_map *m, uint32_t *at, const item *head, int depth);

/* Skip the items of a list or map; `per` items make one entry. */
static bool skip_items(const einf_cbor_map *m, uint32_t *at, const item *head, uint32_t per,
                       int depth) {
    const bool counted = head->info != EINF_CBOR_INDEFINITE;
    if (counted && head->value > m->bytes) {
        return false;
    }
    for (uint64_t left = head->value * per; !counted || left > 0; left--) {
        item inner;
        if (!read_head(m, at, &inner)) {
            return false;
        }
        if (is_break(&inner)) {
            return !counted;
        }
        if (!skip(m, at, &inner, depth)) {
            return false;
        }
    }
    return true;
}

/* Skip the rest of an item whose head was read. */
static bool skip(const einf_cbor_map *m, uint32_t *at, const item *head, int depth) {
    switch (head->type) {
    case EINF_CBOR_BYTES:
    case EINF_CBOR_TEXT:
        if (head->value > m->bytes - *at) {
            return false;
        }
        *at += (uint32_t)head->value;
        return true;
    case EINF_CBOR_LIST:
        return depth < EINF_MAX_DEPTH && skip_items(m, at, head, 1, depth + 1);
    case EINF_CBOR_MAP:
        return depth < EINF_MAX_DEPTH && skip_items(m, at, head, 2, depth + 1);
    default:
        return !is_break(head);
    }
}

bool einf_cbor_is_map(const einf_cbor_map *m) {
    uint32_t at = 0;
    item head;
    return read_head(m, &at, &head) && head.type == EINF_CBOR_MAP && skip(m, &at, &head, 0) &&
           at == m->bytes;
}

/* Find a key; leave `at` behind the head of its value. */
static bool find(const einf_cbor_map *m, const char *key, uint32_t *at, item *value) {
    item head, name;
    *at = 0;
    if (!read_head(m, at, &head) || head.type != EINF_CBOR_MAP) {
        return false;
    }
    for (uint64_t left = head.value; head.info == EINF_CBOR_INDEFINITE || left > 0; left--) {
        if (!read_head(m, at, &name) || is_break(&name)) {
            return false;
        }
        const uint32_t text = *at;
        if (!skip(m, at, &name, 0) || !read_head(m, at, value)) {
            return false;
        }
        if (name.type == EINF_CBOR_TEXT && name.value == strlen(key) &&
            memcmp(m->data + text, key, strlen(key)) == 0) {
            return true;
        }
        if (!skip(m, at, value, 0)) {
            return false;
        }
    }
    return false;
}

bool einf_cbor_has(const einf_cbor_map *m, const char *key) {
    uint32_t at;
    item value;
    return find(m, key, &at, &value);
}

bool einf_cbor_uint(const einf_cbor_map *m, const char *key, uint64_t *number) {
    uint32_t at;
    item value;
    const bool found = find(m, key, &at, &value) && value.type == EINF_CBOR_UNSIGNED;
    *number = found ? value.value : 0;
    return found;
}

bool einf_cbor_bool(const einf_cbor_map *m, const char *key, bool *truth) {
    uint32_t at;
    item value;
    const bool found = find(m, key, &at, &value) && value.type == EINF_CBOR_SIMPLE &&
                       (value.info == EINF_CBOR_TRUE || value.info == EINF_CBOR_FALSE);
    *truth = found && value.info == EINF_CBOR_TRUE;
    return found;
}

static bool string_of(const einf_cbor_map *m, const char *key, uint32_t type,
                      einf_cbor_string *string) {
    uint32_t at;
    item value;
    *string = (einf_cbor_string){m->data, 0};
    if (!find(m, key, &at, &value) || value.type != type || value.value > m->bytes - at) {
        return false;
    }
    *string = (einf_cbor_string){m->data + at, (uint32_t)value.value};
    return true;
}

bool einf_cbor_text(const einf_cbor_map *m, const char *key, einf_cbor_string *text) {
    return string_of(m, key, EINF_CBOR_TEXT, text);
}

bool einf_cbor_bytes(const einf_cbor_map *m, const char *key, einf_cbor_string *bytes) {
    return string_of(m, key, EINF_CBOR_BYTES, bytes);
}

static void put_raw(einf_cbor_writer *w, const void *data, uint32_t bytes) {
    if (bytes > w->size - w->bytes) {
        w->full = true;
        return;
    }
    memcpy(w->data + w->bytes, data, bytes);
    w->bytes += bytes;
}

static void put_head(einf_cbor_writer *w, uint32_t type, uint64_t value) {
    const uint32_t size = value < 24         ? 0
                          : value < 0x100    ? 1
                          : value < 0x10000  ? 2
                          : value >> 32 == 0 ? 4
                                             : 8;
    const uint32_t info = size == 0   ? (uint32_t)value
                          : size == 1 ? 24
                          : size == 2 ? 25
                          : size == 4 ? 26
                                      : 27;
    uint8_t head[9] = {(uint8_t)(type << 5 | info)};
    for (uint32_t i = 0; i < size; i++) {
        head[1 + i] = (uint8_t)(value >> 8 * (size - 1 - i));
    }
    put_raw(w, head, 1 + size);
}

void einf_cbor_put_map(einf_cbor_writer *w, uint32_t pairs) {
    put_head(w, EINF_CBOR_MAP, pairs);
}

void einf_cbor_put_list(einf_cbor_writer *w, uint32_t items) {
    put_head(w, EINF_CBOR_LIST, items);
}

void einf_cbor_put_uint(einf_cbor_writer *w, uint64_t value) {
    put_head(w, EINF_CBOR_UNSIGNED, value);
}

void einf_cbor_put_int(einf_cbor_writer *w, int64_t value) {
    if (value < 0) {
        put_head(w, EINF_CBOR_NEGATIVE, (uint64_t)(-1 - value));
    } else {
        put_head(w, EINF_CBOR_UNSIGNED, (uint64_t)value);
    }
}

void einf_cbor_put_bool(einf_cbor_writer *w, bool value) {
    put_head(w, EINF_CBOR_SIMPLE, value ? EINF_CBOR_TRUE : EINF_CBOR_FALSE);
}

void einf_cbor_put_null(einf_cbor_writer *w) {
    put_head(w, EINF_CBOR_SIMPLE, 22);
}

void einf_cbor_put_float64(einf_cbor_writer *w, uint64_t bits) {
    uint8_t number[9] = {EINF_CBOR_SIMPLE << 5 | EINF_CBOR_FLOAT64};
    for (uint32_t i = 0; i < 8; i++) {
        number[1 + i] = (uint8_t)(bits >> 8 * (7 - i));
    }
    put_raw(w, number, sizeof number);
}

void einf_cbor_put_text_of(einf_cbor_writer *w, const void *text, uint32_t bytes) {
    put_head(w, EINF_CBOR_TEXT, bytes);
    put_raw(w, text, bytes);
}

void einf_cbor_put_text(einf_cbor_writer *w, const char *text) {
    einf_cbor_put_text_of(w, text, (uint32_t)strlen(text));
}

void einf_cbor_put_bytes(einf_cbor_writer *w, const void *data, uint32_t bytes) {
    put_head(w, EINF_CBOR_BYTES, bytes);
    put_raw(w, data, bytes);
}

void einf_cbor_pair_uint(einf_cbor_writer *w, const char *key, uint64_t value) {
    einf_cbor_put_text(w, key);
    einf_cbor_put_uint(w, value);
}

void einf_cbor_pair_int(einf_cbor_writer *w, const char *key, int64_t value) {
    einf_cbor_put_text(w, key);
    einf_cbor_put_int(w, value);
}

void einf_cbor_pair_bool(einf_cbor_writer *w, const char *key, bool value) {
    einf_cbor_put_text(w, key);
    einf_cbor_put_bool(w, value);
}

void einf_cbor_pair_text(einf_cbor_writer *w, const char *key, const char *text) {
    einf_cbor_put_text(w, key);
    einf_cbor_put_text(w, text);
}

void einf_cbor_pair_bytes(einf_cbor_writer *w, const char *key, const void *data, uint32_t bytes) {
    einf_cbor_put_text(w, key);
    einf_cbor_put_bytes(w, data, bytes);
}
