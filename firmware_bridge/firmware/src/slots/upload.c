#include "slots/upload.h"

#include <string.h>

static const einf_slot_refusal allowed = {0, NULL};
static const einf_slot_refusal write_failed = {EINF_IMAGE_CODE_WRITE_FAILED, "the flash failed"};

void einf_upload_drop(einf_upload *u) {
    u->length = u->offset = 0;
}

einf_slot_refusal einf_upload_begin(einf_upload *u, einf_slots *s, uint32_t length,
                                    const uint8_t *sha) {
    if (length == 0 || length > einf_hal_layout.slot_bytes) {
        return (einf_slot_refusal){EINF_IMAGE_CODE_TOO_LARGE, "larger than a slot"};
    }
    const einf_slot_refusal refusal = einf_slots_check_writable(s);
    if (refusal.code) {
        return refusal;
    }
    const bool same = sha != NULL && u->hashed && length == u->length &&
                      memcmp(sha, u->sha, EINF_SHA256_BYTES) == 0;
    if (same) {
        return allowed;
    }
    u->length = length;
    u->offset = u->erased = 0;
    u->hashed = sha != NULL;
    if (sha != NULL) {
        memcpy(u->sha, sha, EINF_SHA256_BYTES);
    }
    einf_sha256_begin(&u->hash);
    einf_slots_forget_other(s);
    return allowed;
}

bool einf_upload_is_stored(const einf_slots *s, uint32_t length, const uint8_t *sha) {
    const einf_image *other = einf_slots_other_image(s);
    if (other == NULL || other->bytes != length) {
        return false;
    }
    uint8_t digest[EINF_SHA256_BYTES];
    einf_sha256 hash;
    einf_sha256_begin(&hash);
    einf_sha256_add(&hash, einf_slots_data(einf_slots_other(s)), length);
    einf_sha256_end(&hash, digest);
    return memcmp(digest, sha, sizeof digest) == 0;
}

/* Write whole units, erasing each page before its first one. */
static bool program(einf_upload *u, uint32_t slot_offset, uint32_t at, const uint8_t *data,
                    uint32_t bytes) {
    while (bytes > 0) {
        if (at >= u->erased) {
            if (!einf_hal_flash_erase(slot_offset + u->erased)) {
                return false;
            }
            u->erased += einf_hal_layout.page_bytes;
            einf_hal_watchdog_feed();
        }
        const uint32_t count = bytes < u->erased - at ? bytes : u->erased - at;
        if (!einf_hal_flash_write(slot_offset + at, data, count)) {
            return false;
        }
        at += count;
        data += count;
        bytes -= count;
    }
    return true;
}

einf_slot_refusal einf_upload_write(einf_upload *u, einf_slots *s, const uint8_t *data,
                                    uint32_t bytes) {
    const uint32_t slot = einf_hal_layout.slot_offset[einf_slots_other(s)];
    einf_sha256_add(&u->hash, data, bytes);
    while (bytes > 0) {
        const uint32_t held = u->offset % EINF_FLASH_WRITE_BYTES;
        const uint32_t whole = held ? 0 : bytes / EINF_FLASH_WRITE_BYTES * EINF_FLASH_WRITE_BYTES;
        const uint32_t left = EINF_FLASH_WRITE_BYTES - held;
        const uint32_t count = whole ? whole : bytes < left ? bytes : left;
        if (!whole) {
            memcpy(u->rest + held, data, count);
        }
        const bool due = whole || held + count == EINF_FLASH_WRITE_BYTES;
        if (due && !program(u, slot, u->offset - held, whole ? data : u->rest,
                            whole ? whole : EINF_FLASH_WRITE_BYTES)) {
            einf_upload_drop(u);
            return write_failed;
        }
        u->offset += count;
        data += count;
        bytes -= count;
    }
    return allowed;
}

einf_slot_refusal einf_upload_finish(einf_upload *u, einf_slots *s) {
    const uint32_t held = u->offset % EINF_FLASH_WRITE_BYTES, length = u->length;
    uint8_t digest[EINF_SHA256_BYTES];
    memset(u->rest + held, 0xFF, EINF_FLASH_WRITE_BYTES - held);
    const bool written = held == 0 || program(u, einf_hal_layout.slot_offset[einf_slots_other(s)],
                                              length - held, u->rest, EINF_FLASH_WRITE_BYTES);
    einf_sha256_end(&u->hash, digest);
    const bool right = !u->hashed || memcmp(digest, u->sha, sizeof digest) == 0;
    einf_upload_drop(u);
    if (!written) {
        return write_failed;
    }
    if (!right) {
        return (einf_slot_refusal){EINF_IMAGE_CODE_INVALID_HASH,
                                   "the SHA-256 of the uploaded file is not the one announced"};
    }
    const einf_slot_refusal refusal = einf_slots_accept(s, length);
    u->finished = refusal.code ? 0 : length;
    return refusal;
}
