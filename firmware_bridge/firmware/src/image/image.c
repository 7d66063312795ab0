#include "edge_infer/image.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "edge_infer/bytes.h"

#define EINF_MAGIC             0x96F3B83DU
#define EINF_MAGIC_TLVS        0x6907U
#define EINF_MAGIC_PROTECTED   0x6908U
#define EINF_FLAG_NON_BOOTABLE 0x10U
#define EINF_TLV_HEADER_BYTES  4U

enum {
    EINF_TLV_KEY_HASH = 0x01,
    EINF_TLV_SHA256 = 0x10,
    EINF_TLV_ED25519 = 0x24,
    EINF_TLV_SECURITY_COUNTER = 0x50
};

/* The parts of an image, each in bytes. */
typedef struct {
    uint32_t header;
    uint32_t payload;
    uint32_t protected_tlvs;
    uint32_t hashed; /* the sum of them */
} layout;

static einf_status read_header(einf_image *image, layout *l, const uint8_t *data, uint32_t size) {
    if (size < EINF_IMAGE_HEADER_BYTES) {
        return EINF_TRUNCATED;
    }
    l->header = einf_u16(data + 8);
    l->protected_tlvs = einf_u16(data + 10);
    l->payload = einf_u32(data + 12);
    if (einf_u32(data) != EINF_MAGIC || einf_u32(data + 4) != 0 ||
        einf_u32(data + 16) != EINF_FLAG_NON_BOOTABLE || l->header < EINF_IMAGE_HEADER_BYTES ||
        l->header % 16 != 0) {
        return EINF_CORRUPT;
    }
    if (!einf_fits(l->header, l->payload, size) ||
        !einf_fits(l->header + l->payload, l->protected_tlvs, size)) {
        return EINF_TRUNCATED;
    }
    l->hashed = l->header + l->payload + l->protected_tlvs;
    image->version =
        (einf_version){data[20], data[21], (uint16_t)einf_u16(data + 22), einf_u32(data + 24)};
    return EINF_OK;
}

/* What a TLV must be long; 0 for one that may not stand there. */
static uint32_t wanted_bytes(uint32_t type, bool protected_area) {
    if (protected_area) {
        return type == EINF_TLV_SECURITY_COUNTER ? 4 : 0;
    }
    return type == EINF_TLV_SHA256 || type == EINF_TLV_KEY_HASH ? 32
           : type == EINF_TLV_ED25519                           ? 64
                                                                : 0;
}

static einf_status take_tlv(einf_image *image, const uint8_t **digest, uint32_t type,
                            const uint8_t *value) {
    const uint8_t **field = type == EINF_TLV_SHA256     ? digest
                            : type == EINF_TLV_KEY_HASH ? &image->key_hash
                            : type == EINF_TLV_ED25519  ? &image->signature
                                                        : NULL;
    if (field == NULL) {
        image->security_counter = einf_u32(value);
        return EINF_OK;
    }
    /* MCUboot checks a signature with the key named before it, and the hash before both. */
    const bool early = (type == EINF_TLV_KEY_HASH && *digest == NULL) ||
                       (type == EINF_TLV_ED25519 && image->key_hash == NULL);
    const bool twice = *field != NULL;
    *field = value;
    return early || twice ? EINF_CORRUPT : EINF_OK;
}

static einf_status read_tlvs(einf_image *image, const uint8_t **digest, const uint8_t *area,
                             uint32_t size, bool protected_area) {
    for (uint32_t at = EINF_TLV_HEADER_BYTES; at < size;) {
        if (!einf_fits(at, EINF_TLV_HEADER_BYTES, size)) {
            return EINF_CORRUPT;
        }
        const uint32_t type = einf_u16(area + at), bytes = einf_u16(area + at + 2);
        at += EINF_TLV_HEADER_BYTES;
        if (bytes != wanted_bytes(type, protected_area) || bytes == 0 ||
            !einf_fits(at, bytes, size)) {
            return EINF_CORRUPT;
        }
        const einf_status status = take_tlv(image, digest, type, area + at);
        if (status != EINF_OK) {
            return status;
        }
        at += bytes;
    }
    return EINF_OK;
}

static bool is_area(const uint8_t *area, uint32_t size, uint32_t magic) {
    return size >= EINF_TLV_HEADER_BYTES && einf_u16(area) == magic && einf_u16(area + 2) <= size &&
           einf_u16(area + 2) >= EINF_TLV_HEADER_BYTES;
}

static einf_status read_areas(einf_image *image, const layout *l, const uint8_t **digest,
                              const uint8_t *data, uint32_t size) {
    const uint8_t *guarded = data + l->header + l->payload, *open = data + l->hashed;
    if (l->protected_tlvs != 0) {
        if (!is_area(guarded, l->protected_tlvs, EINF_MAGIC_PROTECTED) ||
            einf_u16(guarded + 2) != l->protected_tlvs) {
            return EINF_CORRUPT;
        }
        const einf_status status = read_tlvs(image, digest, guarded, l->protected_tlvs, true);
        if (status != EINF_OK) {
            return status;
        }
    }
    if (!is_area(open, size - l->hashed, EINF_MAGIC_TLVS)) {
        return EINF_TRUNCATED;
    }
    image->bytes = l->hashed + einf_u16(open + 2);
    return read_tlvs(image, digest, open, einf_u16(open + 2), false);
}

einf_status einf_image_open(einf_image *image, const uint8_t *data, uint32_t size) {
    layout l;
    const uint8_t *digest = NULL;
    memset(image, 0, sizeof *image);
    einf_status status = read_header(image, &l, data, size);
    status = status ? status : read_areas(image, &l, &digest, data, size);
    if (status != EINF_OK) {
        return status;
    }
    einf_sha256 sha;
    einf_sha256_begin(&sha);
    einf_sha256_add(&sha, data, l.hashed);
    einf_sha256_end(&sha, image->digest);
    image->payload = data + l.header;
    image->payload_bytes = l.payload;
    const bool same = digest != NULL && memcmp(digest, image->digest, EINF_SHA256_BYTES) == 0;
    return same ? EINF_OK : EINF_HASH;
}
