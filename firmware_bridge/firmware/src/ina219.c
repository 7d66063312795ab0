#include "ina219.h"

#include "edge_infer/hal.h"

enum { CONFIGURATION = 0, SHUNT = 1, BUS = 2, POWER = 3 };

/* Table 6: BRNG 16 V, PG /8, BADC and SADC 12 bits, shunt and bus continuous. */
#define SETTING       0x199FU
#define CONVERSION_NS (2U * 532000U) /* table 5: 532 us each, shunt then bus */
#define BUS_READY     0x2U
#define BUS_LSB_MV    4
#define SHUNT_LSB_NV  10000
#define SHUNT_LIMIT   32000 /* 320 mV, the PGA's range */

bool ina219_start(ina219 *m, uint8_t address, uint32_t shunt_uohm) {
    uint16_t read_back = 0;
    *m = (ina219){.address = address, .shunt_uohm = shunt_uohm};
    m->present = shunt_uohm != 0 && ei_hal_i2c_write(address, CONFIGURATION, SETTING) &&
                 ei_hal_i2c_read(address, CONFIGURATION, &read_back) && read_back == SETTING;
    return m->present;
}

bool ina219_poll(ina219 *m, uint64_t now_ns, log_entry *sample) {
    uint16_t bus, shunt, power;
    if (!m->present) {
        return false;
    }
    /* Reading the power register clears the ready flag (section 8.6.3.2); some chips clear it on
     * the bus register too, so the flag is taken from the one read that gives the voltage. */
    if (!ei_hal_i2c_read(m->address, BUS, &bus) || !(bus & BUS_READY)) {
        return false;
    }
    if (!ei_hal_i2c_read(m->address, SHUNT, &shunt) ||
        !ei_hal_i2c_read(m->address, POWER, &power)) {
        m->failed++;
        return false;
    }
    const int32_t code = (int16_t)shunt;
    *sample = (log_entry){
        .timestamp_ns = now_ns,
        .interval_ns = CONVERSION_NS,
        .seq = m->seq++,
        .current_ua = (int32_t)((int64_t)code * SHUNT_LSB_NV * 1000 / (int64_t)m->shunt_uohm),
        .bus_mv = (uint16_t)((bus >> 3) * BUS_LSB_MV),
        .kind = LOG_SAMPLE,
        .flags = code >= SHUNT_LIMIT || code <= -SHUNT_LIMIT ? SAMPLE_SATURATED : 0,
    };
    return true;
}
