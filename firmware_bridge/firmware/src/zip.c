#include "edge_infer/zip.h"

#include <string.h>

#include "edge_infer/bytes.h"

#define LOCAL_BYTES   30U
#define CENTRAL_BYTES 46U
#define END_BYTES     22U
#define LOCAL_MAGIC   0x04034B50U
#define CENTRAL_MAGIC 0x02014B50U
#define END_MAGIC     0x06054B50U

/* The content behind a local header, which must end before the directory begins. */
static ei_status open_entry(ei_zip_entry *entry, const uint8_t *zip, uint32_t directory,
                            const uint8_t *record) {
    const uint32_t local = ei_u32(record + 42);
    entry->bytes = ei_u32(record + 20);
    if (ei_u16(record + 10) != 0 || entry->bytes != ei_u32(record + 24)) {
        return EI_UNSUPPORTED;
    }
    if (!ei_fits(local, LOCAL_BYTES, directory) || ei_u32(zip + local) != LOCAL_MAGIC) {
        return EI_CORRUPT;
    }
    const uint32_t extra = ei_u16(zip + local + 26) + ei_u16(zip + local + 28);
    if (!ei_fits(local + LOCAL_BYTES, extra, directory) ||
        !ei_fits(local + LOCAL_BYTES + extra, entry->bytes, directory)) {
        return EI_CORRUPT;
    }
    entry->data = zip + local + LOCAL_BYTES + extra;
    return EI_OK;
}

ei_status ei_zip_find(ei_zip_entry *entry, const uint8_t *zip, uint32_t size, const char *name,
                      uint32_t name_bytes) {
    if (size < END_BYTES || ei_u32(zip + size - END_BYTES) != END_MAGIC) {
        return EI_CORRUPT;
    }
    const uint8_t *end = zip + size - END_BYTES;
    const uint32_t directory = ei_u32(end + 16), limit = size - END_BYTES;
    uint32_t at = directory;
    for (uint32_t left = ei_u16(end + 10); left > 0; left--) {
        if (!ei_fits(at, CENTRAL_BYTES, limit) || ei_u32(zip + at) != CENTRAL_MAGIC) {
            return EI_CORRUPT;
        }
        const uint8_t *record = zip + at;
        const uint32_t length = ei_u16(record + 28);
        const uint32_t more = length + ei_u16(record + 30) + ei_u16(record + 32);
        if (!ei_fits(at + CENTRAL_BYTES, more, limit)) {
            return EI_CORRUPT;
        }
        if (length == name_bytes && memcmp(record + CENTRAL_BYTES, name, length) == 0) {
            return open_entry(entry, zip, directory, record);
        }
        at += CENTRAL_BYTES + more;
    }
    return EI_NO_ENTRY;
}
