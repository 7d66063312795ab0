/**
 * @file
 * CBOR (RFC 8949), as much of it as SMP bodies need: maps with text keys.
 */
#ifndef EDGE_INFER_CBOR_H
#define EDGE_INFER_CBOR_H

#include <stdbool.h>
#include <stdint.h>

/** A byte or text string inside a message. */
typedef struct {
    const uint8_t *data;
    uint32_t bytes;
} cbor_string;

/** A body that is being read. */
typedef struct {
    const uint8_t *data;
    uint32_t bytes;
} cbor_map;

/** Whether the body is one well-formed map and nothing else. */
bool cbor_is_map(const cbor_map *map);

/** The value of a key; false when it is missing or of another type. */
bool cbor_uint(const cbor_map *map, const char *key, uint64_t *value);
bool cbor_bool(const cbor_map *map, const char *key, bool *value);
bool cbor_text(const cbor_map *map, const char *key, cbor_string *value);
bool cbor_bytes(const cbor_map *map, const char *key, cbor_string *value);

/** Whether a key is there, with whatever value. */
bool cbor_has(const cbor_map *map, const char *key);

/** A body that is being written; what does not fit sets `full`. */
typedef struct {
    uint8_t *data;
    uint32_t size;
    uint32_t bytes;
    bool full;
} cbor_writer;

void cbor_put_map(cbor_writer *w, uint32_t pairs);
void cbor_put_list(cbor_writer *w, uint32_t items);
void cbor_put_uint(cbor_writer *w, uint64_t value);
void cbor_put_int(cbor_writer *w, int64_t value);
void cbor_put_bool(cbor_writer *w, bool value);
void cbor_put_null(cbor_writer *w);

/** The bits of an IEEE 754 number of 64 bits. */
void cbor_put_float64(cbor_writer *w, uint64_t bits);

void cbor_put_text(cbor_writer *w, const char *text);
void cbor_put_text_of(cbor_writer *w, const void *text, uint32_t bytes);
void cbor_put_bytes(cbor_writer *w, const void *data, uint32_t bytes);

/** A key and its value at once. */
void cbor_pair_uint(cbor_writer *w, const char *key, uint64_t value);
void cbor_pair_int(cbor_writer *w, const char *key, int64_t value);
void cbor_pair_bool(cbor_writer *w, const char *key, bool value);
void cbor_pair_text(cbor_writer *w, const char *key, const char *text);
void cbor_pair_bytes(cbor_writer *w, const char *key, const void *data, uint32_t bytes);

#endif
