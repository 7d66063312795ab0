#include "edge_infer/clock_plan.h"

#include <string.h>

#include "edge_infer/bytes.h"

#define VERSION      1U
#define HEADER_BYTES 32U
#define CLOCK_BYTES  8U
#define ROW_BYTES    8U
#define RUN_BYTES    12U

static uint32_t row_count(const ei_clock_plan *p) {
    return (2 + (p->stages - 1) * p->bins) * p->clock_count;
}

static bool is_row(const ei_clock_plan *p, const uint8_t *row, uint32_t size) {
    const uint32_t offset = ei_u32(row), runs = ei_u32(row + 4);
    if (runs == 0 || runs > size / RUN_BYTES || !ei_fits(offset, runs * RUN_BYTES, size)) {
        return false;
    }
    for (uint32_t i = 0; i < runs; i++) {
        if (ei_u32(p->table + offset + i * RUN_BYTES + 8) >= p->clock_count) {
            return false;
        }
    }
    return true;
}

static bool is_sound(const ei_clock_plan *p, uint32_t size) {
    const uint32_t fixed = HEADER_BYTES + p->clock_count * CLOCK_BYTES;
    if (p->stages == 0 || p->bins == 0 || p->clock_count == 0 ||
        !ei_fits(fixed, row_count(p) * ROW_BYTES, size) ||
        !ei_fits(ei_u32(p->table + 16), p->board_bytes, size)) {
        return false;
    }
    for (uint32_t i = 0; i < row_count(p); i++) {
        if (!is_row(p, p->table + fixed + i * ROW_BYTES, size)) {
            return false;
        }
    }
    return true;
}

ei_status ei_clock_plan_open(ei_clock_plan *p, const uint8_t *table, uint32_t size) {
    memset(p, 0, sizeof *p);
    if (size < HEADER_BYTES) {
        return EI_TRUNCATED;
    }
    if (memcmp(table, "EICP", 4) != 0) {
        return EI_CORRUPT;
    }
    if (table[4] != VERSION) {
        return EI_UNSUPPORTED;
    }
    const ei_clock_plan found = {
        .stages = table[5],
        .bins = table[6],
        .clock_count = table[7],
        .deadline_ns = ei_u64(table + 24),
        .board = (const char *)table + ei_u32(table + 16),
        .board_bytes = ei_u16(table + 12),
        .table = table,
        .clocks = table + HEADER_BYTES,
        .rows = table + HEADER_BYTES + table[7] * CLOCK_BYTES,
    };
    if (ei_u32(table + 8) != size || !is_sound(&found, size)) {
        return EI_CORRUPT;
    }
    *p = found;
    return EI_OK;
}

bool ei_clock_plan_is_for(const ei_clock_plan *p, const char *board) {
    return strlen(board) == p->board_bytes && memcmp(board, p->board, p->board_bytes) == 0;
}

uint32_t ei_clock_plan_khz(const ei_clock_plan *p, uint32_t clock) {
    return ei_u32(p->clocks + clock * CLOCK_BYTES);
}

uint32_t ei_clock_plan_index(const ei_clock_plan *p, uint32_t khz, uint32_t otherwise) {
    for (uint32_t clock = 0; clock < p->clock_count; clock++) {
        if (ei_clock_plan_khz(p, clock) == khz) {
            return clock;
        }
    }
    return otherwise;
}

uint32_t ei_clock_plan_overhead_ns(const ei_clock_plan *p, uint32_t clock) {
    return ei_u32(p->clocks + clock * CLOCK_BYTES + 4);
}

static uint32_t look_up(const ei_clock_plan *p, uint32_t row, uint64_t age_ns) {
    const uint8_t *at = p->rows + row * ROW_BYTES;
    const uint8_t *run = p->table + ei_u32(at);
    const uint8_t *last = run + (ei_u32(at + 4) - 1) * RUN_BYTES;
    while (run < last && ei_u64(run) < age_ns) {
        run += RUN_BYTES;
    }
    return ei_u32(run + 8);
}

uint32_t ei_clock_plan_first(const ei_clock_plan *p, uint32_t clock, uint64_t age_ns) {
    return look_up(p, clock, age_ns);
}

uint32_t ei_clock_plan_later(const ei_clock_plan *p, uint32_t stage, uint32_t bin, uint32_t clock,
                             uint64_t age_ns) {
    return look_up(p, (1 + (stage - 1) * p->bins + bin) * p->clock_count + clock, age_ns);
}

uint32_t ei_clock_plan_idle(const ei_clock_plan *p, uint32_t clock, uint64_t age_ns) {
    return look_up(p, (1 + (p->stages - 1) * p->bins) * p->clock_count + clock, age_ns);
}
