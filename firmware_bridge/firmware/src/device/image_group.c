/* SMP group 1: the slots (Zephyr, "Application/software image management group"). */
#include <string.h>

#include "device/group.h"
#include "edge_infer/hal.h"
#include "image/version_text.h"
#include "worker/runner.h"

/* The general code of an image code, for the first protocol version. */
static uint32_t general(uint32_t code) {
    switch (code) {
    case EINF_IMAGE_CODE_NO_IMAGE:
    case EINF_IMAGE_CODE_INVALID_HASH:
        return EINF_CODE_NO_ENTRY;
    case EINF_IMAGE_CODE_WRITE_FAILED:
    case EINF_IMAGE_CODE_TOO_LARGE:
        return EINF_CODE_NO_MEMORY;
    case EINF_IMAGE_CODE_INVALID_SLOT:
    case EINF_IMAGE_CODE_INVALID_OFFSET:
    case EINF_IMAGE_CODE_OVERRUN:
        return EINF_CODE_INVALID;
    default:
        return EINF_CODE_BAD_STATE;
    }
}

static einf_refusal of_slots(einf_slot_refusal why) {
    return why.code ? (einf_refusal){general(why.code), why.code, why.reason} : einf_granted();
}

static void put_image(einf_cbor_writer *out, const einf_slots *s, const einf_image *image,
                      uint32_t slot) {
    char version[EINF_VERSION_TEXT_BYTES];
    const bool pending = slot == 1 && s->state.pending;
    einf_version_text(version, &image->version);
    einf_cbor_put_map(out, 9);
    einf_cbor_pair_uint(out, EINF_KEY_IMAGE, 0);
    einf_cbor_pair_uint(out, EINF_KEY_SLOT, slot);
    einf_cbor_pair_text(out, EINF_KEY_VERSION, version);
    einf_cbor_pair_bytes(out, EINF_KEY_HASH, image->digest, EINF_SHA256_BYTES);
    einf_cbor_pair_bool(out, EINF_KEY_BOOTABLE, false);
    einf_cbor_pair_bool(out, EINF_KEY_PENDING, pending);
    einf_cbor_pair_bool(out, EINF_KEY_ACTIVE, slot == 0);
    einf_cbor_pair_bool(out, EINF_KEY_PERMANENT, pending && s->state.pending_permanent);
    einf_cbor_pair_bool(out, EINF_KEY_CONFIRMED,
                        slot == 0 ? s->state.confirmed : s->state.fallback);
}

static einf_refusal images(einf_device *d, const einf_cbor_map *in, einf_cbor_writer *out) {
    const einf_image *active = einf_slots_active_image(&d->slots),
                     *other = einf_slots_other_image(&d->slots);
    (void)in;
    einf_cbor_put_map(out, 1);
    einf_cbor_put_text(out, EINF_KEY_IMAGES);
    einf_cbor_put_list(out, (active != NULL ? 1U : 0U) + (other != NULL ? 1U : 0U));
    if (active != NULL) {
        put_image(out, &d->slots, active, 0);
    }
    if (other != NULL) {
        put_image(out, &d->slots, other, 1);
    }
    return einf_granted();
}

/* The image is tried, then marked. */
static einf_refusal test(einf_device *d, const uint8_t *digest, bool permanent) {
    const einf_image *other = einf_slots_other_image(&d->slots);
    if (other != NULL && memcmp(digest, other->digest, EINF_SHA256_BYTES) == 0) {
        const einf_status status = einf_device_self_test(d);
        if (status == EINF_BUSY) {
            return einf_refuse(EINF_CODE_BUSY, "the self-test of the bundle still runs: ask again");
        }
        if (status != EINF_OK) {
            return (einf_refusal){EINF_CODE_BAD_STATE, EINF_IMAGE_CODE_TEST_OF_ACTIVE_DENIED,
                                  einf_status_text(status)};
        }
    }
    return of_slots(einf_slots_test(&d->slots, digest, permanent));
}

static einf_refusal set_state(einf_device *d, const einf_cbor_map *in, einf_cbor_writer *out) {
    const einf_image *active = einf_slots_active_image(&d->slots);
    einf_cbor_string digest;
    bool confirm;
    const bool named = einf_cbor_bytes(in, EINF_KEY_HASH, &digest) && digest.bytes > 0;
    (void)einf_cbor_bool(in, EINF_KEY_CONFIRM, &confirm);
    einf_refusal why;
    if (named && digest.bytes != EINF_SHA256_BYTES) {
        why = (einf_refusal){EINF_CODE_NO_ENTRY, EINF_IMAGE_CODE_INVALID_HASH,
                             "the hash has to be 32 bytes"};
    } else if (confirm && (!named || (active != NULL && memcmp(digest.data, active->digest,
                                                               EINF_SHA256_BYTES) == 0))) {
        why = of_slots(einf_slots_confirm(&d->slots));
    } else if (!named) {
        why = (einf_refusal){EINF_CODE_NO_ENTRY, EINF_IMAGE_CODE_INVALID_HASH,
                             "test needs the hash of an image"};
    } else {
        why = test(d, digest.data, confirm);
    }
    return why.code ? why : images(d, in, out);
}

static einf_refusal put_offset(einf_cbor_writer *out, uint32_t offset, bool match) {
    einf_cbor_put_map(out, match ? 2 : 1);
    einf_cbor_pair_uint(out, EINF_KEY_OFF, offset);
    if (match) {
        einf_cbor_pair_bool(out, EINF_KEY_MATCH, true);
    }
    return einf_granted();
}

static einf_refusal begin(einf_device *d, const einf_cbor_map *in, einf_cbor_writer *out,
                          bool *stored) {
    einf_cbor_string sha;
    uint64_t length;
    *stored = false;
    if (!einf_cbor_uint(in, EINF_KEY_LEN, &length) || length > UINT32_MAX) {
        return einf_refuse(EINF_CODE_INVALID, "'len' has to be a number");
    }
    const bool hashed = einf_cbor_bytes(in, EINF_KEY_SHA, &sha) && sha.bytes == EINF_SHA256_BYTES;
    if (hashed && einf_upload_is_stored(&d->slots, (uint32_t)length, sha.data)) {
        *stored = true;
        d->upload.finished = (uint32_t)length;
        return put_offset(out, (uint32_t)length, true);
    }
    return of_slots(
        einf_upload_begin(&d->upload, &d->slots, (uint32_t)length, hashed ? sha.data : NULL));
}

static einf_refusal write_chunk(einf_device *d, uint64_t offset, einf_cbor_string chunk,
                                einf_cbor_writer *out) {
    einf_upload *u = &d->upload;
    if (u->length == 0) {
        return (einf_refusal){EINF_CODE_INVALID, EINF_IMAGE_CODE_INVALID_OFFSET,
                              "no upload is under way: start at 0"};
    }
    if (offset > u->length || chunk.bytes > u->length - offset) {
        return (einf_refusal){EINF_CODE_INVALID, EINF_IMAGE_CODE_OVERRUN,
                              "the chunk ends behind the file's end"};
    }
    const uint64_t end = offset + chunk.bytes;
    if (offset <= u->offset && end > u->offset) {
        const uint32_t known = u->offset - (uint32_t)offset;
        const einf_slot_refusal why =
            einf_upload_write(u, &d->slots, chunk.data + known, chunk.bytes - known);
        if (why.code) {
            return of_slots(why);
        }
    }
    if (u->offset < u->length) {
        return put_offset(out, u->offset, false);
    }
    const uint32_t length = u->length;
    const einf_refusal why = of_slots(einf_upload_finish(u, &d->slots));
    return why.code ? why : put_offset(out, length, true);
}

static einf_refusal take_chunk(einf_device *d, const einf_cbor_map *in, einf_cbor_writer *out) {
    einf_cbor_string chunk;
    uint64_t offset, image;
    (void)einf_cbor_uint(in, EINF_KEY_IMAGE, &image);
    (void)einf_cbor_bytes(in, EINF_KEY_DATA, &chunk);
    if (!einf_cbor_uint(in, EINF_KEY_OFF, &offset)) {
        return einf_refuse(EINF_CODE_INVALID, "'off' has to be a number");
    }
    if (image != 0) {
        return (einf_refusal){EINF_CODE_INVALID, EINF_IMAGE_CODE_INVALID_SLOT,
                              "there is image 0 only"};
    }
    if (offset == 0 && einf_cbor_has(in, EINF_KEY_LEN)) {
        bool stored;
        const einf_refusal why = begin(d, in, out, &stored);
        if (why.code || stored) {
            return why;
        }
    } else if (d->upload.length == 0 && offset <= d->upload.finished &&
               chunk.bytes <= d->upload.finished - offset) {
        return put_offset(out, d->upload.finished, true); /* the last answer was lost */
    }
    return write_chunk(d, offset, chunk, out);
}

static einf_refusal erase(einf_device *d, const einf_cbor_map *in, einf_cbor_writer *out) {
    uint64_t slot = 1;
    if (einf_cbor_has(in, EINF_KEY_SLOT) &&
        (!einf_cbor_uint(in, EINF_KEY_SLOT, &slot) || slot != 1)) {
        return (einf_refusal){EINF_CODE_INVALID, EINF_IMAGE_CODE_INVALID_SLOT,
                              "only slot 1 can be erased"};
    }
    const einf_refusal why = of_slots(einf_slots_check_writable(&d->slots));
    if (why.code) {
        return why;
    }
    if (!einf_hal_flash_erase(einf_hal_layout.slot_offset[einf_slots_other(&d->slots)])) {
        return (einf_refusal){EINF_CODE_NO_MEMORY, EINF_IMAGE_CODE_WRITE_FAILED,
                              "the flash failed"};
    }
    einf_slots_forget_other(&d->slots);
    einf_upload_drop(&d->upload);
    einf_cbor_put_map(out, 0);
    return einf_granted();
}

static const einf_smp_command commands[] = {
    {EINF_IMAGE_STATE, EINF_OP_READ, images},
    {EINF_IMAGE_STATE, EINF_OP_WRITE, set_state},
    {EINF_IMAGE_UPLOAD, EINF_OP_WRITE, take_chunk},
    {EINF_IMAGE_ERASE, EINF_OP_WRITE, erase},
};

const einf_smp_group einf_image_group = {EINF_GROUP_IMAGE, sizeof commands / sizeof *commands,
                                         "img", commands};
