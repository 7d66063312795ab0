#include "worker/power_log.h"

#include <string.h>

#define EINF_MAX_ENTRY_BYTES 64U

/* What the next entry is written as a difference to. */
typedef struct {
    uint64_t timestamp_ns;
    int64_t period_ns;
    int64_t seq;
    int64_t bus_mv;
    int64_t current_ua;
    uint32_t interval_ns;
    uint32_t values[EINF_LOG_KINDS];
} last_entry;

typedef struct {
    uint8_t data[EINF_MAX_ENTRY_BYTES];
    uint32_t bytes;
} packed;

void einf_log_add(einf_power_log *log, const einf_log_entry *entry) {
    log->entries[log->end % EINF_LOG_ENTRIES] = *entry;
    log->end++;
}

void einf_log_mark(einf_power_log *log, uint8_t kind, uint64_t timestamp_ns, uint32_t value) {
    einf_log_add(log,
                 &(einf_log_entry){.timestamp_ns = timestamp_ns, .value = value, .kind = kind});
}

uint32_t einf_log_first(const einf_power_log *log) {
    return log->end > EINF_LOG_ENTRIES ? log->end - EINF_LOG_ENTRIES : 0;
}

/* LEB128. */
static void put(packed *p, uint64_t value) {
    for (; value > 0x7F; value >>= 7) {
        p->data[p->bytes++] = (uint8_t)(value | 0x80);
    }
    p->data[p->bytes++] = (uint8_t)value;
}

/* Zigzag. */
static void put_signed(packed *p, int64_t value) {
    put(p, value >= 0 ? (uint64_t)value << 1 : ((uint64_t)-value << 1) - 1);
}

static void put_sample(packed *p, const einf_log_entry *e, last_entry *last) {
    const int64_t period = (int64_t)(e->timestamp_ns - last->timestamp_ns);
    const bool interval = e->interval_ns != last->interval_ns;
    put(p, EINF_LOG_SAMPLE | (interval ? EINF_LOG_INTERVAL_CHANGED : 0) |
               (e->flags ? EINF_LOG_FLAGS_SET : 0));
    put_signed(p, period - last->period_ns);
    put_signed(p, (int64_t)e->seq - last->seq - 1);
    put_signed(p, e->bus_mv - last->bus_mv);
    put_signed(p, e->current_ua - last->current_ua);
    if (interval) {
        put(p, e->interval_ns);
    }
    if (e->flags) {
        put(p, e->flags);
    }
    last->timestamp_ns = e->timestamp_ns;
    last->period_ns = period;
    last->interval_ns = e->interval_ns;
    last->seq = e->seq;
    last->bus_mv = e->bus_mv;
    last->current_ua = e->current_ua;
}

static void put_mark(packed *p, const einf_log_entry *e, last_entry *last) {
    put(p, e->kind);
    put_signed(p, (int64_t)(e->timestamp_ns - last->timestamp_ns));
    put_signed(p, (int64_t)e->value - last->values[e->kind]);
    last->values[e->kind] = e->value;
}

uint32_t einf_log_batch(const einf_power_log *log, uint32_t *from, uint32_t *count, uint8_t *batch,
                        uint32_t size) {
    last_entry last;
    uint32_t used = 0;
    memset(&last, 0, sizeof last);
    *from = *from < einf_log_first(log) ? einf_log_first(log) : *from > log->end ? log->end : *from;
    for (*count = 0; *from + *count < log->end; (*count)++) {
        const einf_log_entry *e = &log->entries[(*from + *count) % EINF_LOG_ENTRIES];
        packed p = {.bytes = 0};
        if (e->kind == EINF_LOG_SAMPLE) {
            put_sample(&p, e, &last);
        } else {
            put_mark(&p, e, &last);
        }
        if (p.bytes > size - used) {
            break;
        }
        memcpy(batch + used, p.data, p.bytes);
        used += p.bytes;
    }
    return used;
}
