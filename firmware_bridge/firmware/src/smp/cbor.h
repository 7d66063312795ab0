/**
 * @file
 * CBOR (RFC 8949), as much of it as SMP bodies need: maps with text keys.
 */
#ifndef EINF_CBOR_H
#define EINF_CBOR_H

#include <stdbool.h>
#include <stdint.h>

/** A byte or text string inside a message. */
typedef struct {
    const uint8_t *data;
    uint32_t bytes;
} einf_cbor_string;

/** A body that is being read. */
typedef struct {
    const uint8_t *data;
    uint32_t bytes;
} einf_cbor_map;

/** Whether the body is one well-formed map and nothing else. */
bool einf_cbor_is_map(const einf_cbor_map *map);

/** The value of a key; false when it is missing or of another type. */
bool einf_cbor_uint(const einf_cbor_map *map, const char *key, uint64_t *value);
bool einf_cbor_bool(const einf_cbor_map *map, const char *key, bool *value);
bool einf_cbor_text(const einf_cbor_map *map, const char *key, einf_cbor_string *value);
bool einf_cbor_bytes(const einf_cbor_map *map, const char *key, einf_cbor_string *value);

/** Whether a key is there, with whatever value. */
bool einf_cbor_has(const einf_cbor_map *map, const char *key);

/** A body that is being written; what does not fit sets `full`. */
typedef struct {
    uint8_t *data;
    uint32_t size;
    uint32_t bytes;
    bool full;
} einf_cbor_writer;

void einf_cbor_put_map(einf_cbor_writer *w, uint32_t pairs);
void einf_cbor_put_list(einf_cbor_writer *w, uint32_t items);
void einf_cbor_put_uint(einf_cbor_writer *w, uint64_t value);
void einf_cbor_put_int(einf_cbor_writer *w, int64_t value);
void einf_cbor_put_bool(einf_cbor_writer *w, bool value);
void einf_cbor_put_null(einf_cbor_writer *w);

/** The bits of an IEEE 754 number of 64 bits. */
void einf_cbor_put_float64(einf_cbor_writer *w, uint64_t bits);

void einf_cbor_put_text(einf_cbor_writer *w, const char *text);
void einf_cbor_put_text_of(einf_cbor_writer *w, const void *text, uint32_t bytes);
void einf_cbor_put_bytes(einf_cbor_writer *w, const void *data, uint32_t bytes);

/** A key and its value at once. */
void einf_cbor_pair_uint(einf_cbor_writer *w, const char *key, uint64_t value);
void einf_cbor_pair_int(einf_cbor_writer *w, const char *key, int64_t value);
void einf_cbor_pair_bool(einf_cbor_writer *w, const char *key, bool value);
void einf_cbor_pair_text(einf_cbor_writer *w, const char *key, const char *text);
void einf_cbor_pair_bytes(einf_cbor_writer *w, const char *key, const void *data, uint32_t bytes);

#endif
