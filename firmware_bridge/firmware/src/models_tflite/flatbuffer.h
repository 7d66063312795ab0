/**
 * @file
 * A verifying reader of flatbuffers, in place and without copies.
 *
 * FlatBuffers documentation, "Internals": a table starts with a signed offset to its vtable, a
 * vtable with its size and the table's; fields are at 16-bit offsets from the table, 0 for an
 * absent one; vectors and tables are at unsigned 32-bit offsets from where the offset stands.
 *
 * Every offset and length is checked before it is used. What is out of bounds sets `bad`, which
 * stays set, and reads as absent; a caller reads on and asks once, at the end.
 */
#ifndef EINF_FLATBUFFER_H
#define EINF_FLATBUFFER_H

#include <stdbool.h>
#include <stdint.h>

/** A file, and whether anything in it was out of bounds. */
typedef struct {
    const uint8_t *data;
    uint32_t size;
    bool bad;
} einf_fb_file;

/** A table; position 0, where no table can be, stands for an absent one. */
typedef struct {
    einf_fb_file *file;
    uint32_t at;
    uint32_t vtable;
    uint16_t vtable_bytes;
    uint16_t table_bytes;
} einf_fb_table;

/** A vector inside the file; `length` elements from `at` on, 0 for an absent one. */
typedef struct {
    einf_fb_file *file;
    uint32_t at;
    uint32_t length;
} einf_fb_vector;

/** The root table of a file with this identifier at byte 4. */
einf_fb_table einf_fb_root(einf_fb_file *file, const char identifier[4]);

/** Field number `field` as an integer of 1, 2 or 4 bytes, or `fallback` when it is absent. */
int32_t einf_fb_int8(const einf_fb_table *table, uint32_t field, int32_t fallback);
int32_t einf_fb_uint8(const einf_fb_table *table, uint32_t field, int32_t fallback);
int32_t einf_fb_int32(const einf_fb_table *table, uint32_t field, int32_t fallback);
float einf_fb_float(const einf_fb_table *table, uint32_t field, float fallback);

/** Field number `field` as a table. */
einf_fb_table einf_fb_table_field(const einf_fb_table *table, uint32_t field);

/** Field number `field` as a vector of elements of `element_bytes`. */
einf_fb_vector einf_fb_vector_field(const einf_fb_table *table, uint32_t field,
                                    uint32_t element_bytes);

/** Element `index` of a vector of 32-bit integers, 0 and bad outside. */
int32_t einf_fb_int32_at(const einf_fb_vector *vector, uint32_t index);

/** Element `index` of a vector of 64-bit integers, limited to 32 bits. */
int32_t einf_fb_int64_at(const einf_fb_vector *vector, uint32_t index);

/** Element `index` of a vector of floats. */
float einf_fb_float_at(const einf_fb_vector *vector, uint32_t index);

/** Element `index` of a vector of tables. */
einf_fb_table einf_fb_table_at(const einf_fb_vector *vector, uint32_t index);

#endif
