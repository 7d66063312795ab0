#include "edge_infer/image.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "edge_infer/bytes.h"

#define MAGIC             0x96F3B83DU
#define MAGIC_TLVS        0x6907U
#define MAGIC_PROTECTED   0x6908U
#define FLAG_NON_BOOTABLE 0x10U
#define TLV_HEADER_BYTES  4U

enum { TLV_KEY_HASH = 0x01, TLV_SHA256 = 0x10, TLV_ED25519 = 0x24, TLV_SECURITY_COUNTER = 0x50 };

/* The parts of an image, each in bytes. */
typedef struct {
    uint32_t header;
    uint32_t payload;
    uint32_t protected_tlvs;
    uint32_t hashed; /* the sum of them */
} layout;

static ei_status read_header(ei_image *image, layout *l, const uint8_t *data, uint32_t size) {
    if (size < EI_IMAGE_HEADER_BYTES) {
        return EI_TRUNCATED;
    }
    l->header = ei_u16(data + 8);
    l->protected_tlvs = ei_u16(data + 10);
    l->payload = ei_u32(data + 12);
    if (ei_u32(data) != MAGIC || ei_u32(data + 4) != 0 || ei_u32(data + 16) != FLAG_NON_BOOTABLE ||
        l->header < EI_IMAGE_HEADER_BYTES || l->header % 16 != 0) {
        return EI_CORRUPT;
    }
    if (!ei_fits(l->header, l->payload, size) ||
        !ei_fits(l->header + l->payload, l->protected_tlvs, size)) {
        return EI_TRUNCATED;
    }
    l->hashed = l->header + l->payload + l->protected_tlvs;
    image->version =
        (ei_version){data[20], data[21], (uint16_t)ei_u16(data + 22), ei_u32(data + 24)};
    return EI_OK;
}

/* What a TLV must be long; 0 for one that may not stand there. */
static uint32_t wanted_bytes(uint32_t type, bool protected_area) {
    if (protected_area) {
        return type == TLV_SECURITY_COUNTER ? 4 : 0;
    }
    return type == TLV_SHA256 || type == TLV_KEY_HASH ? 32 : type == TLV_ED25519 ? 64 : 0;
}

static ei_status take_tlv(ei_image *image, const uint8_t **digest, uint32_t type,
                          const uint8_t *value) {
    const uint8_t **field = type == TLV_SHA256     ? digest
                            : type == TLV_KEY_HASH ? &image->key_hash
                            : type == TLV_ED25519  ? &image->signature
                                                   : NULL;
    if (field == NULL) {
        image->security_counter = ei_u32(value);
        return EI_OK;
    }
    /* MCUboot checks a signature with the key named before it, and the hash before both. */
    const bool early = (type == TLV_KEY_HASH && *digest == NULL) ||
                       (type == TLV_ED25519 && image->key_hash == NULL);
    const bool twice = *field != NULL;
    *field = value;
    return early || twice ? EI_CORRUPT : EI_OK;
}

static ei_status read_tlvs(ei_image *image, const uint8_t **digest, const uint8_t *area,
                           uint32_t size, bool protected_area) {
    for (uint32_t at = TLV_HEADER_BYTES; at < size;) {
        if (!ei_fits(at, TLV_HEADER_BYTES, size)) {
            return EI_CORRUPT;
        }
        const uint32_t type = ei_u16(area + at), bytes = ei_u16(area + at + 2);
        at += TLV_HEADER_BYTES;
        if (bytes != wanted_bytes(type, protected_area) || bytes == 0 ||
            !ei_fits(at, bytes, size)) {
            return EI_CORRUPT;
        }
        const ei_status status = take_tlv(image, digest, type, area + at);
        if (status != EI_OK) {
            return status;
        }
        at += bytes;
    }
    return EI_OK;
}

static bool is_area(const uint8_t *area, uint32_t size, uint32_t magic) {
    return size >= TLV_HEADER_BYTES && ei_u16(area) == magic && ei_u16(area + 2) <= size &&
           ei_u16(area + 2) >= TLV_HEADER_BYTES;
}

static ei_status read_areas(ei_image *image, const layout *l, const uint8_t **digest,
                            const uint8_t *data, uint32_t size) {
    const uint8_t *guarded = data + l->header + l->payload, *open = data + l->hashed;
    if (l->protected_tlvs != 0) {
        if (!is_area(guarded, l->protected_tlvs, MAGIC_PROTECTED) ||
            ei_u16(guarded + 2) != l->protected_tlvs) {
            return EI_CORRUPT;
        }
        const ei_status status = read_tlvs(image, digest, guarded, l->protected_tlvs, true);
        if (status != EI_OK) {
            return status;
        }
    }
    if (!is_area(open, size - l->hashed, MAGIC_TLVS)) {
        return EI_TRUNCATED;
    }
    image->bytes = l->hashed + ei_u16(open + 2);
    return read_tlvs(image, digest, open, ei_u16(open + 2), false);
}

ei_status ei_image_open(ei_image *image, const uint8_t *data, uint32_t size) {
    layout l;
    const uint8_t *digest = NULL;
    memset(image, 0, sizeof *image);
    ei_status status = read_header(image, &l, data, size);
    status = status ? status : read_areas(image, &l, &digest, data, size);
    if (status != EI_OK) {
        return status;
    }
    ei_sha256 sha;
    ei_sha256_begin(&sha);
    ei_sha256_add(&sha, data, l.hashed);
    ei_sha256_end(&sha, image->digest);
    image->payload = data + l.header;
    image->payload_bytes = l.payload;
    const bool same = digest != NULL && memcmp(digest, image->digest, EI_SHA256_BYTES) == 0;
    return same ? EI_OK : EI_HASH;
}
