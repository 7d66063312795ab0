/**
 * @file
 * INA219 power monitor (Texas Instruments, SBOS448G), polled: one sample a conversion.
 */
#ifndef EINF_INA219_H
#define EINF_INA219_H

#include "worker/power_log.h"

/** A meter; zeroed it is absent. */
typedef struct {
    bool present;
    uint8_t address;
    uint32_t shunt_uohm;
    uint32_t seq;
    uint32_t failed; /**< Reads that nothing acknowledged. */
} einf_ina219;

/**
 * Configure the chip: 16 V range, PGA /8 (320 mV), 12 bits, shunt and bus in turn.
 *
 * @return false when nothing answers at the address; the meter is then absent.
 */
bool einf_ina219_start(einf_ina219 *meter, uint8_t address, uint32_t shunt_uohm);

/** A sample when a conversion has become ready since; false otherwise. */
bool einf_ina219_poll(einf_ina219 *meter, uint64_t now_ns, einf_log_entry *sample);

#endif
