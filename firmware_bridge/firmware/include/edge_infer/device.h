/**
 * @file
 * A whole device over a board's HAL: SMP server, slots, the bundle that runs, power log, MLPerf
 * Tiny's DUT protocol. All on one serial line, told apart by the first byte.
 */
#ifndef EINF_DEVICE_H
#define EINF_DEVICE_H

#include <stdint.h>

#include "edge_infer/hal.h"

/**
 * Start: the slots swap or revert, the active bundle is opened.
 *
 * @param ina219_address I2C address of an INA219, 0 for none.
 * @param shunt_uohm its shunt.
 */
void einf_device_start(uint8_t ina219_address, uint32_t shunt_uohm);

/** Serve what is there: bytes of the line, a sample of the meter. Call it in the main loop. */
void einf_device_poll(void);

/** Is there work to do before the next byte or sample? */
bool einf_device_busy(void);

/** How the device opened its bundle: "ok", or why nothing runs. */
const char *einf_device_text(void);

#endif
