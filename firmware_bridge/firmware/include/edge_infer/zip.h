/**
 * @file
 * A ZIP of stored entries, read in place (PKWARE, APPNOTE.TXT 6.3.10, sections 4.3 and 4.4).
 */
#ifndef EINF_ZIP_H
#define EINF_ZIP_H

#include <stdint.h>

#include "edge_infer/status.h"

/** An entry's content, inside the ZIP. */
typedef struct {
    const uint8_t *data;
    uint32_t bytes;
} einf_zip_entry;

/**
 * Find an entry by its name. The hash of the image that the ZIP stands in vouches for the
 * contents: CRCs are not computed again.
 *
 * @retval EINF_NO_ENTRY, EINF_CORRUPT, EINF_UNSUPPORTED (a compressed entry)
 */
einf_status einf_zip_find(einf_zip_entry *entry, const uint8_t *zip, uint32_t size,
                          const char *name, uint32_t name_bytes);

#endif
