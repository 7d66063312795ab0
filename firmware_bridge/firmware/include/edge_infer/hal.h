/**
 * @file
 * What a board provides. A port implements every function here; docs/porting.md says how.
 *
 * Nothing is called from an interrupt. Calls return at once unless they say otherwise.
 */
#ifndef EINF_HAL_H
#define EINF_HAL_H

#include <stdbool.h>
#include <stdint.h>

/** Where the slots and their state lie in flash; all offsets and sizes are multiples of a page. */
typedef struct {
    uint32_t slot_offset[2];
    uint32_t slot_bytes;
    uint32_t state_offset[2]; /**< Two pages that are written in turn. */
    uint32_t page_bytes;      /**< What is erased at once. */
} einf_flash_layout;

#ifndef EINF_FLASH_WRITE_BYTES
/** Bytes that flash is written in: offsets and sizes of writes are multiples of it. */
#define EINF_FLASH_WRITE_BYTES 8U
#endif

/** Name of the board, as a profile calls it. */
extern const char einf_hal_board[];

/** True where the clock is an emulator's: times then say nothing about a board. */
extern const bool einf_hal_simulated;

/** The layout. */
extern const einf_flash_layout einf_hal_layout;

/** Bytes that have arrived, at most `most`; 0 when there are none. */
uint32_t einf_hal_uart_read(uint8_t *to, uint32_t most);

/** Send bytes; may wait until they fit. */
void einf_hal_uart_write(const uint8_t *from, uint32_t bytes);

/** Time since the start in ns; steady. */
uint64_t einf_hal_now_ns(void);

/** Flash as memory. */
const uint8_t *einf_hal_flash(void);

/** Erase one page to 0xff; false when it failed. May take tens of milliseconds. */
bool einf_hal_flash_erase(uint32_t offset);

/** Write erased flash; false when it failed. */
bool einf_hal_flash_write(uint32_t offset, const uint8_t *from, uint32_t bytes);

/** Write a 16-bit register, big endian on the bus; false when nothing acknowledges. */
bool einf_hal_i2c_write(uint8_t address, uint8_t reg, uint16_t value);

/** Read a 16-bit register; false when nothing acknowledges. */
bool einf_hal_i2c_read(uint8_t address, uint8_t reg, uint16_t *value);

/** The clocks that the processor can run at, kHz, ascending; one at least. */
extern const uint32_t einf_hal_clocks_khz[];
extern const uint32_t einf_hal_clock_count;

/** The processor's clock. */
uint32_t einf_hal_clock_khz(void);

/** Set the processor's clock to one that it can run at; returns the one in force then. */
uint32_t einf_hal_clock_set_khz(uint32_t khz);

/** Trusted ed25519 public keys, 32 bytes each, by index; NULL beyond the last. With none, whoever
 * can reach the line can exchange the bundle. */
const uint8_t *einf_hal_trusted_key(uint32_t index);

/** Tell the watchdog that all is well; called at least once a stage and a page. */
void einf_hal_watchdog_feed(void);

/** Start anew; does not return on a board. */
void einf_hal_reset(void);

#endif
