/**
 * @file
 * The log of power, clock and inferences: a ring of entries with sequence numbers.
 *
 * PROTOCOL.md, "Power log"; the batch format is firmware_bridge/wire/log_batch.py's.
 */
#ifndef EINF_POWER_LOG_H
#define EINF_POWER_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "edge_infer/wire.h"

#ifndef EINF_LOG_ENTRIES
/** Entries of the ring, 32 bytes each. */
#define EINF_LOG_ENTRIES 1024U
#endif

/** One more than the highest kind of entry (EINF_LOG_SAMPLE and what follows in wire.h). */
#define EINF_LOG_KINDS 8U

/** One entry; a mark uses `value` alone. */
typedef struct {
    uint64_t timestamp_ns;
    uint32_t interval_ns;
    uint32_t seq;
    int32_t current_ua;
    uint32_t value;
    uint16_t bus_mv;
    uint8_t kind;
    uint8_t flags;
} einf_log_entry;

/** The ring. */
typedef struct {
    einf_log_entry entries[EINF_LOG_ENTRIES];
    uint32_t end; /**< Sequence number of the next entry. */
} einf_power_log;

void einf_log_add(einf_power_log *log, const einf_log_entry *entry);
void einf_log_mark(einf_power_log *log, uint8_t kind, uint64_t timestamp_ns, uint32_t value);

/** Sequence number of the oldest entry that is still there. */
uint32_t einf_log_first(const einf_power_log *log);

/**
 * Write entries from `*from` on, or from the oldest, as a batch.
 *
 * @param from moved to the first entry of the batch.
 * @param count set to the entries in it.
 * @return bytes of the batch, at most `size`.
 */
uint32_t einf_log_batch(const einf_power_log *log, uint32_t *from, uint32_t *count, uint8_t *batch,
                        uint32_t size);

#endif
