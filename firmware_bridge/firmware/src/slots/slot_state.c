#include "slots/slot_state.h"

#include <string.h>

#include "edge_infer/hal.h"

#define EINF_MAGIC 0x53544945U /* "EITS" */

static uint32_t crc32(const uint8_t *data, uint32_t bytes) {
    uint32_t crc = 0xFFFFFFFFU;
    for (uint32_t i = 0; i < bytes; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = crc & 1 ? crc >> 1 ^ 0xEDB88320U : crc >> 1;
        }
    }
    return ~crc;
}

static uint32_t crc_of(const einf_slot_state *state) {
    return crc32((const uint8_t *)state, sizeof *state - sizeof state->crc);
}

/* Record `page`; false when it is not sound. */
static bool load(uint32_t page, einf_slot_state *state) {
    memcpy(state, einf_hal_flash() + einf_hal_layout.state_offset[page], sizeof *state);
    return state->magic == EINF_MAGIC && state->crc == crc_of(state);
}

uint32_t einf_slot_state_newest(einf_slot_state *state) {
    einf_slot_state records[2];
    const bool sound[2] = {load(0, &records[0]), load(1, &records[1])};
    if (!sound[0] && !sound[1]) {
        return 2;
    }
    const bool second = sound[1] && (!sound[0] || records[1].sequence > records[0].sequence);
    *state = records[second];
    return second;
}

bool einf_slot_state_save(einf_slot_state *state) {
    uint8_t record[(sizeof(einf_slot_state) + EINF_FLASH_WRITE_BYTES - 1) / EINF_FLASH_WRITE_BYTES *
                   EINF_FLASH_WRITE_BYTES] = {0};
    einf_slot_state before;
    const uint32_t page = einf_slot_state_newest(&before);
    const uint32_t offset = einf_hal_layout.state_offset[page == 0 ? 1 : 0];
    state->magic = EINF_MAGIC;
    state->sequence = page == 2 ? 1 : before.sequence + 1;
    state->crc = crc_of(state);
    memcpy(record, state, sizeof *state);
    return einf_hal_flash_erase(offset) && einf_hal_flash_write(offset, record, sizeof record);
}
