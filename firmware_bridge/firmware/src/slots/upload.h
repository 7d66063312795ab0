/**
 * @file
 * An upload straight into the other slot: erased page by page just before it is written.
 */
#ifndef EINF_UPLOAD_H
#define EINF_UPLOAD_H

#include "edge_infer/hal.h"
#include "slots/slots.h"

/** The one upload that can be under way; zeroed there is none. */
typedef struct {
    uint32_t length; /* of the file; 0 when none is under way */
    uint32_t offset; /* next byte wanted */
    bool hashed;     /* `sha` was announced */
    uint8_t sha[EINF_SHA256_BYTES];
    einf_sha256 hash;
    uint32_t erased;                      /* bytes of the slot that are ready to be written */
    uint8_t rest[EINF_FLASH_WRITE_BYTES]; /* what makes no whole write yet */
    uint32_t finished;                    /* length of the upload completed last */
} einf_upload;

/** Start, or go on with an interrupted one of the same length and hash; `sha` may be NULL. */
einf_slot_refusal einf_upload_begin(einf_upload *u, einf_slots *s, uint32_t length,
                                    const uint8_t *sha);

/** Does the other slot hold this very file already? */
bool einf_upload_is_stored(const einf_slots *s, uint32_t length, const uint8_t *sha);

/** Take the chunk at `u->offset`. */
einf_slot_refusal einf_upload_write(einf_upload *u, einf_slots *s, const uint8_t *data,
                                    uint32_t bytes);

/** All is there: check it and make it the other slot's image. */
einf_slot_refusal einf_upload_finish(einf_upload *u, einf_slots *s);

/** Forget what is under way. */
void einf_upload_drop(einf_upload *u);

#endif
