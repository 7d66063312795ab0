#include "upload.h"

#include <string.h>

static const slot_refusal allowed = {0, NULL};
static const slot_refusal write_failed = {IMAGE_WRITE_FAILED, "the flash failed"};

void upload_drop(upload *u) {
    u->length = u->offset = 0;
}

slot_refusal upload_begin(upload *u, slots *s, uint32_t length, const uint8_t *sha) {
    if (length == 0 || length > ei_hal_layout.slot_bytes) {
        return (slot_refusal){IMAGE_TOO_LARGE, "larger than a slot"};
    }
    const slot_refusal refusal = slots_check_writable(s);
    if (refusal.code) {
        return refusal;
    }
    const bool same = sha != NULL && u->hashed && length == u->length &&
                      memcmp(sha, u->sha, EI_SHA256_BYTES) == 0;
    if (same) {
        return allowed;
    }
    u->length = length;
    u->offset = u->erased = 0;
    u->hashed = sha != NULL;
    if (sha != NULL) {
        memcpy(u->sha, sha, EI_SHA256_BYTES);
    }
    ei_sha256_begin(&u->hash);
    slots_forget_other(s);
    return allowed;
}

bool upload_is_stored(const slots *s, uint32_t length, const uint8_t *sha) {
    const ei_image *other = slots_other_image(s);
    if (other == NULL || other->bytes != length) {
        return false;
    }
    uint8_t digest[EI_SHA256_BYTES];
    ei_sha256 hash;
    ei_sha256_begin(&hash);
    ei_sha256_add(&hash, slots_data(slots_other(s)), length);
    ei_sha256_end(&hash, digest);
    return memcmp(digest, sha, sizeof digest) == 0;
}

/* Write whole units, erasing each page before its first one. */
static bool program(upload *u, uint32_t slot_offset, uint32_t at, const uint8_t *data,
                    uint32_t bytes) {
    while (bytes > 0) {
        if (at >= u->erased) {
            if (!ei_hal_flash_erase(slot_offset + u->erased)) {
                return false;
            }
            u->erased += ei_hal_layout.page_bytes;
            ei_hal_watchdog_feed();
        }
        const uint32_t count = bytes < u->erased - at ? bytes : u->erased - at;
        if (!ei_hal_flash_write(slot_offset + at, data, count)) {
            return false;
        }
        at += count;
        data += count;
        bytes -= count;
    }
    return true;
}

slot_refusal upload_write(upload *u, slots *s, const uint8_t *data, uint32_t bytes) {
    const uint32_t slot = ei_hal_layout.slot_offset[slots_other(s)];
    ei_sha256_add(&u->hash, data, bytes);
    while (bytes > 0) {
        const uint32_t held = u->offset % EI_FLASH_WRITE_BYTES;
        const uint32_t whole = held ? 0 : bytes / EI_FLASH_WRITE_BYTES * EI_FLASH_WRITE_BYTES;
        const uint32_t left = EI_FLASH_WRITE_BYTES - held;
        const uint32_t count = whole ? whole : bytes < left ? bytes : left;
        if (!whole) {
            memcpy(u->rest + held, data, count);
        }
        const bool due = whole || held + count == EI_FLASH_WRITE_BYTES;
        if (due && !program(u, slot, u->offset - held, whole ? data : u->rest,
                            whole ? whole : EI_FLASH_WRITE_BYTES)) {
            upload_drop(u);
            return write_failed;
        }
        u->offset += count;
        data += count;
        bytes -= count;
    }
    return allowed;
}

slot_refusal upload_finish(upload *u, slots *s) {
    const uint32_t held = u->offset % EI_FLASH_WRITE_BYTES, length = u->length;
    uint8_t digest[EI_SHA256_BYTES];
    memset(u->rest + held, 0xFF, EI_FLASH_WRITE_BYTES - held);
    const bool written = held == 0 || program(u, ei_hal_layout.slot_offset[slots_other(s)],
                                              length - held, u->rest, EI_FLASH_WRITE_BYTES);
    ei_sha256_end(&u->hash, digest);
    const bool right = !u->hashed || memcmp(digest, u->sha, sizeof digest) == 0;
    upload_drop(u);
    if (!written) {
        return write_failed;
    }
    if (!right) {
        return (slot_refusal){IMAGE_INVALID_HASH,
                              "the SHA-256 of the uploaded file is not the one announced"};
    }
    const slot_refusal refusal = slots_accept(s, length);
    u->finished = refusal.code ? 0 : length;
    return refusal;
}
