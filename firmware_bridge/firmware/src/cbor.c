#include "cbor.h"

#include <string.h>

#define MAX_DEPTH 8

enum { UNSIGNED = 0, NEGATIVE = 1, BYTES = 2, TEXT = 3, LIST = 4, MAP = 5, TAG = 6, SIMPLE = 7 };
enum { FALSE = 20, TRUE = 21, FLOAT64 = 27, INDEFINITE = 31 };

/* The head of an item: its type, and its number or length. */
typedef struct {
    uint32_t type;
    uint32_t info;
    uint64_t value;
} item;

/* Reads a head; moves `at` behind it. Indefinite lengths are for lists and maps only. */
static bool read_head(const cbor_map *m, uint32_t *at, item *head) {
    if (*at >= m->bytes) {
        return false;
    }
    const uint8_t first = m->data[(*at)++];
    head->type = first >> 5;
    head->info = first & 31;
    head->value = head->info;
    if (head->info < 24) {
        return head->type != TAG;
    }
    if (head->info == INDEFINITE) {
        return head->type == LIST || head->type == MAP || head->type == SIMPLE;
    }
    const uint32_t bytes = head->info > 27 ? 0 : 1U << (head->info - 24);
    if (bytes == 0 || bytes > m->bytes - *at || head->type == TAG) {
        return false;
    }
    head->value = 0;
    for (uint32_t i = 0; i < bytes; i++) {
        head->value = head->value << 8 | m->data[(*at)++];
    }
    return true;
}

static bool is_break(const item *head) {
    return head->type == SIMPLE && head->info == INDEFINITE;
}

static bool skip(const cbor_map *m, uint32_t *at, const item *head, int depth);

/* Skip the items of a list or map; `per` items make one entry. */
static bool skip_items(const cbor_map *m, uint32_t *at, const item *head, uint32_t per, int depth) {
    const bool counted = head->info != INDEFINITE;
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
static bool skip(const cbor_map *m, uint32_t *at, const item *head, int depth) {
    switch (head->type) {
    case BYTES:
    case TEXT:
        if (head->value > m->bytes - *at) {
            return false;
        }
        *at += (uint32_t)head->value;
        return true;
    case LIST:
        return depth < MAX_DEPTH && skip_items(m, at, head, 1, depth + 1);
    case MAP:
        return depth < MAX_DEPTH && skip_items(m, at, head, 2, depth + 1);
    default:
        return !is_break(head);
    }
}

bool cbor_is_map(const cbor_map *m) {
    uint32_t at = 0;
    item head;
    return read_head(m, &at, &head) && head.type == MAP && skip(m, &at, &head, 0) && at == m->bytes;
}

/* Find a key; leave `at` behind the head of its value. */
static bool find(const cbor_map *m, const char *key, uint32_t *at, item *value) {
    item head, name;
    *at = 0;
    if (!read_head(m, at, &head) || head.type != MAP) {
        return false;
    }
    for (uint64_t left = head.value; head.info == INDEFINITE || left > 0; left--) {
        if (!read_head(m, at, &name) || is_break(&name)) {
            return false;
        }
        const uint32_t text = *at;
        if (!skip(m, at, &name, 0) || !read_head(m, at, value)) {
            return false;
        }
        if (name.type == TEXT && name.value == strlen(key) &&
            memcmp(m->data + text, key, strlen(key)) == 0) {
            return true;
        }
        if (!skip(m, at, value, 0)) {
            return false;
        }
    }
    return false;
}

bool cbor_has(const cbor_map *m, const char *key) {
    uint32_t at;
    item value;
    return find(m, key, &at, &value);
}

bool cbor_uint(const cbor_map *m, const char *key, uint64_t *number) {
    uint32_t at;
    item value;
    const bool found = find(m, key, &at, &value) && value.type == UNSIGNED;
    *number = found ? value.value : 0;
    return found;
}

bool cbor_bool(const cbor_map *m, const char *key, bool *truth) {
    uint32_t at;
    item value;
    const bool found = find(m, key, &at, &value) && value.type == SIMPLE &&
                       (value.info == TRUE || value.info == FALSE);
    *truth = found && value.info == TRUE;
    return found;
}

static bool string_of(const cbor_map *m, const char *key, uint32_t type, cbor_string *string) {
    uint32_t at;
    item value;
    *string = (cbor_string){m->data, 0};
    if (!find(m, key, &at, &value) || value.type != type || value.value > m->bytes - at) {
        return false;
    }
    *string = (cbor_string){m->data + at, (uint32_t)value.value};
    return true;
}

bool cbor_text(const cbor_map *m, const char *key, cbor_string *text) {
    return string_of(m, key, TEXT, text);
}

bool cbor_bytes(const cbor_map *m, const char *key, cbor_string *bytes) {
    return string_of(m, key, BYTES, bytes);
}

static void put_raw(cbor_writer *w, const void *data, uint32_t bytes) {
    if (bytes > w->size - w->bytes) {
        w->full = true;
        return;
    }
    memcpy(w->data + w->bytes, data, bytes);
    w->bytes += bytes;
}

static void put_head(cbor_writer *w, uint32_t type, uint64_t value) {
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

void cbor_put_map(cbor_writer *w, uint32_t pairs) {
    put_head(w, MAP, pairs);
}

void cbor_put_list(cbor_writer *w, uint32_t items) {
    put_head(w, LIST, items);
}

void cbor_put_uint(cbor_writer *w, uint64_t value) {
    put_head(w, UNSIGNED, value);
}

void cbor_put_int(cbor_writer *w, int64_t value) {
    if (value < 0) {
        put_head(w, NEGATIVE, (uint64_t)(-1 - value));
    } else {
        put_head(w, UNSIGNED, (uint64_t)value);
    }
}

void cbor_put_bool(cbor_writer *w, bool value) {
    put_head(w, SIMPLE, value ? TRUE : FALSE);
}

void cbor_put_null(cbor_writer *w) {
    put_head(w, SIMPLE, 22);
}

void cbor_put_float64(cbor_writer *w, uint64_t bits) {
    uint8_t number[9] = {SIMPLE << 5 | FLOAT64};
    for (uint32_t i = 0; i < 8; i++) {
        number[1 + i] = (uint8_t)(bits >> 8 * (7 - i));
    }
    put_raw(w, number, sizeof number);
}

void cbor_put_text_of(cbor_writer *w, const void *text, uint32_t bytes) {
    put_head(w, TEXT, bytes);
    put_raw(w, text, bytes);
}

void cbor_put_text(cbor_writer *w, const char *text) {
    cbor_put_text_of(w, text, (uint32_t)strlen(text));
}

void cbor_put_bytes(cbor_writer *w, const void *data, uint32_t bytes) {
    put_head(w, BYTES, bytes);
    put_raw(w, data, bytes);
}

void cbor_pair_uint(cbor_writer *w, const char *key, uint64_t value) {
    cbor_put_text(w, key);
    cbor_put_uint(w, value);
}

void cbor_pair_int(cbor_writer *w, const char *key, int64_t value) {
    cbor_put_text(w, key);
    cbor_put_int(w, value);
}

void cbor_pair_bool(cbor_writer *w, const char *key, bool value) {
    cbor_put_text(w, key);
    cbor_put_bool(w, value);
}

void cbor_pair_text(cbor_writer *w, const char *key, const char *text) {
    cbor_put_text(w, key);
    cbor_put_text(w, text);
}

void cbor_pair_bytes(cbor_writer *w, const char *key, const void *data, uint32_t bytes) {
    cbor_put_text(w, key);
    cbor_put_bytes(w, data, bytes);
}
