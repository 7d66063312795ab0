/* SMP group 1: the slots (Zephyr, "Application/software image management group"). */
#include <string.h>

#include "device.h"
#include "version_text.h"

/* The general code of an image code, for the first protocol version. */
static uint32_t general(uint32_t code) {
    switch (code) {
    case IMAGE_NO_IMAGE:
    case IMAGE_INVALID_HASH:
        return SMP_NO_ENTRY;
    case IMAGE_WRITE_FAILED:
    case IMAGE_TOO_LARGE:
        return SMP_NO_MEMORY;
    case IMAGE_INVALID_SLOT:
    case IMAGE_INVALID_OFFSET:
    case IMAGE_OVERRUN:
        return SMP_INVALID;
    default:
        return SMP_BAD_STATE;
    }
}

static refusal of_slots(slot_refusal why) {
    return why.code ? (refusal){general(why.code), why.code, why.reason} : granted();
}

static void put_image(cbor_writer *out, const slots *s, const ei_image *image, uint32_t slot) {
    char version[VERSION_TEXT_BYTES];
    const bool pending = slot == 1 && s->state.pending;
    version_text(version, &image->version);
    cbor_put_map(out, 9);
    cbor_pair_uint(out, "image", 0);
    cbor_pair_uint(out, "slot", slot);
    cbor_pair_text(out, "version", version);
    cbor_pair_bytes(out, "hash", image->digest, EI_SHA256_BYTES);
    cbor_pair_bool(out, "bootable", false);
    cbor_pair_bool(out, "pending", pending);
    cbor_pair_bool(out, "active", slot == 0);
    cbor_pair_bool(out, "permanent", pending && s->state.pending_permanent);
    cbor_pair_bool(out, "confirmed", slot == 0 ? s->state.confirmed : s->state.fallback);
}

static refusal images(device *d, const cbor_map *in, cbor_writer *out) {
    const ei_image *active = slots_active_image(&d->slots), *other = slots_other_image(&d->slots);
    (void)in;
    cbor_put_map(out, 1);
    cbor_put_text(out, "images");
    cbor_put_list(out, (active != NULL ? 1U : 0U) + (other != NULL ? 1U : 0U));
    if (active != NULL) {
        put_image(out, &d->slots, active, 0);
    }
    if (other != NULL) {
        put_image(out, &d->slots, other, 1);
    }
    return granted();
}

/* The image is tried, then marked. */
static refusal test(device *d, const uint8_t *digest, bool permanent) {
    const ei_image *other = slots_other_image(&d->slots);
    if (other != NULL && memcmp(digest, other->digest, EI_SHA256_BYTES) == 0) {
        const ei_status status = device_self_test(d);
        if (status == EI_BUSY) {
            return refuse(SMP_BUSY, "the self-test of the bundle still runs: ask again");
        }
        if (status != EI_OK) {
            return (refusal){SMP_BAD_STATE, IMAGE_TEST_OF_ACTIVE_DENIED, ei_status_text(status)};
        }
    }
    return of_slots(slots_test(&d->slots, digest, permanent));
}

static refusal set_state(device *d, const cbor_map *in, cbor_writer *out) {
    const ei_image *active = slots_active_image(&d->slots);
    cbor_string digest;
    bool confirm;
    const bool named = cbor_bytes(in, "hash", &digest) && digest.bytes > 0;
    (void)cbor_bool(in, "confirm", &confirm);
    refusal why;
    if (named && digest.bytes != EI_SHA256_BYTES) {
        why = (refusal){SMP_NO_ENTRY, IMAGE_INVALID_HASH, "the hash has to be 32 bytes"};
    } else if (confirm && (!named || (active != NULL &&
                                      memcmp(digest.data, active->digest, EI_SHA256_BYTES) == 0))) {
        why = of_slots(slots_confirm(&d->slots));
    } else if (!named) {
        why = (refusal){SMP_NO_ENTRY, IMAGE_INVALID_HASH, "test needs the hash of an image"};
    } else {
        why = test(d, digest.data, confirm);
    }
    return why.code ? why : images(d, in, out);
}

static refusal put_offset(cbor_writer *out, uint32_t offset, bool match) {
    cbor_put_map(out, match ? 2 : 1);
    cbor_pair_uint(out, "off", offset);
    if (match) {
        cbor_pair_bool(out, "match", true);
    }
    return granted();
}

static refusal begin(device *d, const cbor_map *in, cbor_writer *out, bool *stored) {
    cbor_string sha;
    uint64_t length;
    *stored = false;
    if (!cbor_uint(in, "len", &length) || length > UINT32_MAX) {
        return refuse(SMP_INVALID, "'len' has to be a number");
    }
    const bool hashed = cbor_bytes(in, "sha", &sha) && sha.bytes == EI_SHA256_BYTES;
    if (hashed && upload_is_stored(&d->slots, (uint32_t)length, sha.data)) {
        *stored = true;
        d->upload.finished = (uint32_t)length;
        return put_offset(out, (uint32_t)length, true);
    }
    return of_slots(
        upload_begin(&d->upload, &d->slots, (uint32_t)length, hashed ? sha.data : NULL));
}

static refusal write_chunk(device *d, uint64_t offset, cbor_string chunk, cbor_writer *out) {
    upload *u = &d->upload;
    if (u->length == 0) {
        return (refusal){SMP_INVALID, IMAGE_INVALID_OFFSET, "no upload is under way: start at 0"};
    }
    if (offset > u->length || chunk.bytes > u->length - offset) {
        return (refusal){SMP_INVALID, IMAGE_OVERRUN, "the chunk ends behind the file's end"};
    }
    const uint64_t end = offset + chunk.bytes;
    if (offset <= u->offset && end > u->offset) {
        const uint32_t known = u->offset - (uint32_t)offset;
        const slot_refusal why =
            upload_write(u, &d->slots, chunk.data + known, chunk.bytes - known);
        if (why.code) {
            return of_slots(why);
        }
    }
    if (u->offset < u->length) {
        return put_offset(out, u->offset, false);
    }
    const uint32_t length = u->length;
    const refusal why = of_slots(upload_finish(u, &d->slots));
    return why.code ? why : put_offset(out, length, true);
}

static refusal take_chunk(device *d, const cbor_map *in, cbor_writer *out) {
    cbor_string chunk;
    uint64_t offset, image;
    (void)cbor_uint(in, "image", &image);
    (void)cbor_bytes(in, "data", &chunk);
    if (!cbor_uint(in, "off", &offset)) {
        return refuse(SMP_INVALID, "'off' has to be a number");
    }
    if (image != 0) {
        return (refusal){SMP_INVALID, IMAGE_INVALID_SLOT, "there is image 0 only"};
    }
    if (offset == 0 && cbor_has(in, "len")) {
        bool stored;
        const refusal why = begin(d, in, out, &stored);
        if (why.code || stored) {
            return why;
        }
    } else if (d->upload.length == 0 && offset <= d->upload.finished &&
               chunk.bytes <= d->upload.finished - offset) {
        return put_offset(out, d->upload.finished, true); /* the last answer was lost */
    }
    return write_chunk(d, offset, chunk, out);
}

static refusal erase(device *d, const cbor_map *in, cbor_writer *out) {
    uint64_t slot = 1;
    if (cbor_has(in, "slot") && (!cbor_uint(in, "slot", &slot) || slot != 1)) {
        return (refusal){SMP_INVALID, IMAGE_INVALID_SLOT, "only slot 1 can be erased"};
    }
    const refusal why = of_slots(slots_check_writable(&d->slots));
    if (why.code) {
        return why;
    }
    if (!ei_hal_flash_erase(ei_hal_layout.slot_offset[slots_other(&d->slots)])) {
        return (refusal){SMP_NO_MEMORY, IMAGE_WRITE_FAILED, "the flash failed"};
    }
    slots_forget_other(&d->slots);
    upload_drop(&d->upload);
    cbor_put_map(out, 0);
    return granted();
}

static const smp_command commands[] = {
    {0, SMP_READ, images},
    {0, SMP_WRITE, set_state},
    {1, SMP_WRITE, take_chunk},
    {5, SMP_WRITE, erase},
};

const smp_group image_group = {GROUP_IMAGE, sizeof commands / sizeof *commands, "img", commands};
