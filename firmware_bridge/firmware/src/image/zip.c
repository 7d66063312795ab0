#include "edge_infer/zip.h"

#include <string.h>

#include "edge_infer/bytes.h"

#define EINF_LOCAL_BYTES   30U
#define EINF_CENTRAL_BYTES 46U
#define EINF_END_BYTES     22U
#define EINF_LOCAL_MAGIC   0x04034B50U
#define EINF_CENTRAL_MAGIC 0x02014B50U
#define EINF_END_MAGIC     0x06054B50U

/* The content behind a local header, which must end before the directory begins. */
static einf_status open_entry(einf_zip_entry *entry, const uint8_t *zip, uint32_t directory,
                              const uint8_t *record) {
    const uint32_t local = einf_u32(record + 42);
    entry->bytes = einf_u32(record + 20);
    if (einf_u16(record + 10) != 0 || entry->bytes != einf_u32(record + 24)) {
        return EINF_UNSUPPORTED;
    }
    if (!einf_fits(local, EINF_LOCAL_BYTES, directory) ||
        einf_u32(zip + local) != EINF_LOCAL_MAGIC) {
        return EINF_CORRUPT;
    }
    const uint32_t extra = einf_u16(zip + local + 26) + einf_u16(zip + local + 28);
    if (!einf_fits(local + EINF_LOCAL_BYTES, extra, directory) ||
        !einf_fits(local + EINF_LOCAL_BYTES + extra, entry->bytes, directory)) {
        return EINF_CORRUPT;
    }
    entry->data = zip + local + EINF_LOCAL_BYTES + extra;
    return EINF_OK;
}

einf_status einf_zip_find(einf_zip_entry *entry, const uint8_t *zip, uint32_t size,
                          const char *name, uint32_t name_bytes) {
    if (size < EINF_END_BYTES || einf_u32(zip + size - EINF_END_BYTES) != EINF_END_MAGIC) {
        return EINF_CORRUPT;
    }
    const uint8_t *end = zip + size - EINF_END_BYTES;
    const uint32_t directory = einf_u32(end + 16), limit = size - EINF_END_BYTES;
    uint32_t at = directory;
    for (uint32_t left = einf_u16(end + 10); left > 0; left--) {
        if (!einf_fits(at, EINF_CENTRAL_BYTES, limit) || einf_u32(zip + at) != EINF_CENTRAL_MAGIC) {
            return EINF_CORRUPT;
        }
        const uint8_t *record = zip + at;
        const uint32_t length = einf_u16(record + 28);
        const uint32_t more = length + einf_u16(record + 30) + einf_u16(record + 32);
        if (!einf_fits(at + EINF_CENTRAL_BYTES, more, limit)) {
            return EINF_CORRUPT;
        }
        if (length == name_bytes && memcmp(record + EINF_CENTRAL_BYTES, name, length) == 0) {
            return open_entry(entry, zip, directory, record);
        }
        at += EINF_CENTRAL_BYTES + more;
    }
    return EINF_NO_ENTRY;
}
