#include "edge_infer/clock_plan.h"

#include <string.h>

#include "edge_infer/bytes.h"

#define EINF_CLOCKS_ALONE       1U
#define EINF_CLOCKS_AND_LEAVING 2U
#define EINF_HEADER_BYTES       32U
#define EINF_CLOCK_BYTES        8U
#define EINF_ROW_BYTES          8U
#define EINF_RUN_BYTES          12U

static uint32_t row_count(const einf_clock_plan *p) {
    return (2 + (p->stages - 1) * p->bins) * p->clock_count;
}

static bool is_row(const einf_clock_plan *p, const uint8_t *row, uint32_t size, bool leaves) {
    const uint32_t flag = leaves ? EINF_PLAN_LEAVES : 0;
    const uint32_t offset = einf_u32(row), runs = einf_u32(row + 4);
    if (runs == 0 || runs > size / EINF_RUN_BYTES ||
        !einf_fits(offset, runs * EINF_RUN_BYTES, size)) {
        return false;
    }
    for (uint32_t i = 0; i < runs; i++) {
        if ((einf_u32(p->table + offset + i * EINF_RUN_BYTES + 8) & ~flag) >= p->clock_count) {
            return false;
        }
    }
    return true;
}

static bool is_sound(const einf_clock_plan *p, uint32_t size) {
    const uint32_t fixed = EINF_HEADER_BYTES + p->clock_count * EINF_CLOCK_BYTES;
    if (p->stages == 0 || p->bins == 0 || p->clock_count == 0 ||
        !einf_fits(fixed, row_count(p) * EINF_ROW_BYTES, size) ||
        !einf_fits(einf_u32(p->table + 16), p->board_bytes, size)) {
        return false;
    }
    if (p->leaves &&
        !einf_fits(einf_u32(p->table + 20), 4 * (2 + (p->stages - 1) * 2 * p->bins), size)) {
        return false;
    }
    const uint32_t idle = row_count(p) - p->clock_count;
    for (uint32_t i = 0; i < row_count(p); i++) {
        const bool later = i >= p->clock_count && i < idle;
        if (!is_row(p, p->table + fixed + i * EINF_ROW_BYTES, size, p->leaves && later)) {
            return false;
        }
    }
    return true;
}

einf_status einf_clock_plan_open(einf_clock_plan *p, const uint8_t *table, uint32_t size) {
    memset(p, 0, sizeof *p);
    if (size < EINF_HEADER_BYTES) {
        return EINF_TRUNCATED;
    }
    if (memcmp(table, "EICP", 4) != 0) {
        return EINF_CORRUPT;
    }
    if (table[4] != EINF_CLOCKS_ALONE && table[4] != EINF_CLOCKS_AND_LEAVING) {
        return EINF_UNSUPPORTED;
    }
    const einf_clock_plan found = {
        .stages = table[5],
        .bins = table[6],
        .clock_count = table[7],
        .deadline_ns = einf_u64(table + 24),
        .leaves = table[4] == EINF_CLOCKS_AND_LEAVING,
        .board = (const char *)table + einf_u32(table + 16),
        .board_bytes = einf_u16(table + 12),
        .table = table,
        .clocks = table + EINF_HEADER_BYTES,
        .rows = table + EINF_HEADER_BYTES + table[7] * EINF_CLOCK_BYTES,
        .losses = table + einf_u32(table + 20),
    };
    if (einf_u32(table + 8) != size || !is_sound(&found, size)) {
        return EINF_CORRUPT;
    }
    *p = found;
    return EINF_OK;
}

bool einf_clock_plan_is_for(const einf_clock_plan *p, const char *board) {
    return strlen(board) == p->board_bytes && memcmp(board, p->board, p->board_bytes) == 0;
}

uint32_t einf_clock_plan_khz(const einf_clock_plan *p, uint32_t clock) {
    return einf_u32(p->clocks + clock * EINF_CLOCK_BYTES);
}

uint32_t einf_clock_plan_index(const einf_clock_plan *p, uint32_t khz, uint32_t otherwise) {
    for (uint32_t clock = 0; clock < p->clock_count; clock++) {
        if (einf_clock_plan_khz(p, clock) == khz) {
            return clock;
        }
    }
    return otherwise;
}

uint32_t einf_clock_plan_overhead_ns(const einf_clock_plan *p, uint32_t clock) {
    return einf_u32(p->clocks + clock * EINF_CLOCK_BYTES + 4);
}

static uint32_t look_up(const einf_clock_plan *p, uint32_t row, uint64_t age_ns) {
    const uint8_t *at = p->rows + row * EINF_ROW_BYTES;
    const uint8_t *run = p->table + einf_u32(at);
    const uint8_t *last = run + (einf_u32(at + 4) - 1) * EINF_RUN_BYTES;
    while (run < last && einf_u64(run) < age_ns) {
        run += EINF_RUN_BYTES;
    }
    return einf_u32(run + 8);
}

uint32_t einf_clock_plan_first(const einf_clock_plan *p, uint32_t clock, uint64_t age_ns) {
    return look_up(p, clock, age_ns);
}

uint32_t einf_clock_plan_later(const einf_clock_plan *p, uint32_t stage, uint32_t bin,
                               uint32_t clock, uint64_t age_ns) {
    return look_up(p, (1 + (stage - 1) * p->bins + bin) * p->clock_count + clock, age_ns);
}

static int32_t loss_at(const einf_clock_plan *p, uint32_t index) {
    return (int32_t)einf_u32(p->losses + 4 * index);
}

uint32_t einf_clock_plan_bin(const einf_clock_plan *p, uint32_t exit, int32_t confidence) {
    const uint32_t first = 1 + exit * 2 * p->bins;
    uint32_t bin = 0;
    while (p->leaves && bin < p->bins - 1 && loss_at(p, first + bin) <= confidence) {
        bin++;
    }
    return bin;
}

int32_t einf_clock_plan_pays_in(const einf_clock_plan *p) {
    return loss_at(p, 0);
}

int32_t einf_clock_plan_tuned_loss(const einf_clock_plan *p, uint32_t exit) {
    const uint32_t after = exit + 1 < p->stages ? 2 * p->bins - 1 : 0;
    return loss_at(p, 1 + exit * 2 * p->bins + after);
}

int32_t einf_clock_plan_forced_loss(const einf_clock_plan *p, uint32_t exit, uint32_t bin) {
    return loss_at(p, exit * 2 * p->bins + p->bins + bin);
}

uint32_t einf_clock_plan_idle(const einf_clock_plan *p, uint32_t clock, uint64_t age_ns) {
    return look_up(p, (1 + (p->stages - 1) * p->bins) * p->clock_count + clock, age_ns);
}
