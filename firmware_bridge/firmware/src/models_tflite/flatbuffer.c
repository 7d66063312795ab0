#include "models_tflite/flatbuffer.h"

#include <string.h>

/* True when `bytes` from `at` on lie in the file; else it is bad. */
static bool inside(einf_fb_file *file, uint32_t at, uint32_t bytes) {
    const bool fits = at <= file->size && bytes <= file->size - at;
    file->bad = file->bad || !fits;
    return fits;
}

static uint16_t read_u16(einf_fb_file *file, uint32_t at) {
    uint16_t value = 0;
    if (inside(file, at, sizeof value)) {
        memcpy(&value, file->data + at, sizeof value);
    }
    return value;
}

static uint32_t read_u32(einf_fb_file *file, uint32_t at) {
    uint32_t value = 0;
    if (inside(file, at, sizeof value)) {
        memcpy(&value, file->data + at, sizeof value);
    }
    return value;
}

/* Where the offset at `at` leads; 0 when that is outside or the offset is null. */
static uint32_t follow(einf_fb_file *file, uint32_t at) {
    const uint32_t offset = read_u32(file, at);
    const bool fits = offset != 0 && offset < file->size - at;
    file->bad = file->bad || !fits;
    return fits ? at + offset : 0;
}

static einf_fb_table absent_table(einf_fb_file *file) {
    return (einf_fb_table){file, 0, 0, 0, 0};
}

static einf_fb_table table_at(einf_fb_file *file, uint32_t at) {
    /* The offset to the vtable is signed and points backwards when positive. */
    const uint32_t vtable = at - read_u32(file, at);
    if (at == 0 || !inside(file, at, 4) || !inside(file, vtable, 4)) {
        file->bad = true;
        return absent_table(file);
    }
    const einf_fb_table table = {file, at, vtable, read_u16(file, vtable),
                                 read_u16(file, vtable + 2)};
    if (table.vtable_bytes < 4 || table.table_bytes < 4 ||
        !inside(file, vtable, table.vtable_bytes) || !inside(file, at, table.table_bytes)) {
        file->bad = true;
        return absent_table(file);
    }
    return table;
}

einf_fb_table einf_fb_root(einf_fb_file *file, const char identifier[4]) {
    if (!inside(file, 0, 8) || memcmp(file->data + 4, identifier, 4) != 0) {
        file->bad = true;
        return absent_table(file);
    }
    return table_at(file, follow(file, 0));
}

/* Where a field of `bytes` lies, 0 when it is absent. */
static uint32_t field_at(const einf_fb_table *table, uint32_t field, uint32_t bytes) {
    const uint32_t entry = 4 + 2 * field;
    if (table->at == 0 || entry + 2 > table->vtable_bytes) {
        return 0;
    }
    const uint32_t offset = read_u16(table->file, table->vtable + entry);
    if (offset == 0) {
        return 0;
    }
    if (offset < 4 || offset + bytes > table->table_bytes) {
        table->file->bad = true;
        return 0;
    }
    return table->at + offset;
}

int32_t einf_fb_int8(const einf_fb_table *table, uint32_t field, int32_t fallback) {
    const uint32_t at = field_at(table, field, 1);
    return at ? (int8_t)table->file->data[at] : fallback;
}

int32_t einf_fb_uint8(const einf_fb_table *table, uint32_t field, int32_t fallback) {
    const uint32_t at = field_at(table, field, 1);
    return at ? table->file->data[at] : fallback;
}

int32_t einf_fb_int32(const einf_fb_table *table, uint32_t field, int32_t fallback) {
    const uint32_t at = field_at(table, field, 4);
    return at ? (int32_t)read_u32(table->file, at) : fallback;
}

float einf_fb_float(const einf_fb_table *table, uint32_t field, float fallback) {
    const uint32_t at = field_at(table, field, 4);
    if (at) {
        memcpy(&fallback, table->file->data + at, sizeof fallback);
    }
    return fallback;
}

einf_fb_table einf_fb_table_field(const einf_fb_table *table, uint32_t field) {
    const uint32_t at = field_at(table, field, 4);
    return at ? table_at(table->file, follow(table->file, at)) : absent_table(table->file);
}

einf_fb_vector einf_fb_vector_field(const einf_fb_table *table, uint32_t field,
                                    uint32_t element_bytes) {
    einf_fb_file *file = table->file;
    const einf_fb_vector absent = {file, 0, 0};
    const uint32_t field_position = field_at(table, field, 4);
    const uint32_t at = field_position ? follow(file, field_position) : 0;
    if (at == 0) {
        return absent;
    }
    const uint32_t length = read_u32(file, at);
    if (file->bad || length > (file->size - at - 4) / element_bytes) {
        file->bad = true;
        return absent;
    }
    return (einf_fb_vector){file, at + 4, length};
}

/* Where an element lies; 0 and bad outside the vector. */
static uint32_t element_at(const einf_fb_vector *vector, uint32_t index, uint32_t element_bytes) {
    if (index < vector->length) {
        return vector->at + index * element_bytes;
    }
    vector->file->bad = true;
    return 0;
}

int32_t einf_fb_int32_at(const einf_fb_vector *vector, uint32_t index) {
    const uint32_t at = element_at(vector, index, 4);
    return at ? (int32_t)read_u32(vector->file, at) : 0;
}

int32_t einf_fb_int64_at(const einf_fb_vector *vector, uint32_t index) {
    const uint32_t at = element_at(vector, index, 8);
    int64_t value = 0;
    if (at) {
        memcpy(&value, vector->file->data + at, sizeof value);
    }
    return value > INT32_MAX ? INT32_MAX : value < INT32_MIN ? INT32_MIN : (int32_t)value;
}

float einf_fb_float_at(const einf_fb_vector *vector, uint32_t index) {
    const uint32_t at = element_at(vector, index, 4);
    float value = 0;
    if (at) {
        memcpy(&value, vector->file->data + at, sizeof value);
    }
    return value;
}

einf_fb_table einf_fb_table_at(const einf_fb_vector *vector, uint32_t index) {
    const uint32_t at = element_at(vector, index, 4);
    return at ? table_at(vector->file, follow(vector->file, at)) : absent_table(vector->file);
}
