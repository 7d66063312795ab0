#include "worker/ina219.h"

#include "edge_infer/hal.h"

enum {
    EINF_INA219_CONFIGURATION = 0,
    EINF_INA219_SHUNT = 1,
    EINF_INA219_BUS = 2,
    EINF_INA219_POWER = 3
};

/* Table 6: BRNG 16 V, PG /8, BADC and SADC 12 bits, shunt and bus continuous. */
#define EINF_SETTING       0x199FU
#define EINF_CONVERSION_NS (2U * 532000U) /* table 5: 532 us each, shunt then bus */
#define EINF_BUS_READY     0x2U
#define EINF_BUS_LSB_MV    4
#define EINF_SHUNT_LSB_NV  10000
#define EINF_SHUNT_LIMIT   32000 /* 320 mV, the PGA's range */
#define EINF_BUS_LIMIT_MV  16000 /* BRNG */
#define EINF_BUS_LEAST_MV  500   /* no supply */

bool einf_ina219_start(einf_ina219 *m, uint8_t address, uint32_t shunt_uohm) {
    uint16_t read_back = 0;
    *m = (einf_ina219){.address = address, .shunt_uohm = shunt_uohm};
    m->present = shunt_uohm != 0 &&
                 einf_hal_i2c_write(address, EINF_INA219_CONFIGURATION, EINF_SETTING) &&
                 einf_hal_i2c_read(address, EINF_INA219_CONFIGURATION, &read_back) &&
                 read_back == EINF_SETTING;
    return m->present;
}

bool einf_ina219_poll(einf_ina219 *m, uint64_t now_ns, einf_log_entry *sample) {
    uint16_t bus, shunt, power;
    if (!m->present) {
        return false;
    }
    /* Reading the power register clears the ready flag (section 8.6.3.2); some chips clear it on
     * the bus register too, so the flag is taken from the one read that gives the voltage. */
    if (!einf_hal_i2c_read(m->address, EINF_INA219_BUS, &bus) || !(bus & EINF_BUS_READY)) {
        return false;
    }
    if (!einf_hal_i2c_read(m->address, EINF_INA219_SHUNT, &shunt) ||
        !einf_hal_i2c_read(m->address, EINF_INA219_POWER, &power)) {
        m->failed++;
        return false;
    }
    const int32_t code = (int16_t)shunt;
    const uint16_t bus_mv = (uint16_t)((bus >> 3) * EINF_BUS_LSB_MV);
    uint8_t flags = 0;
    if (code >= EINF_SHUNT_LIMIT || code <= -EINF_SHUNT_LIMIT) {
        flags |= EINF_SAMPLE_SATURATED;
    }
    if (bus_mv < EINF_BUS_LEAST_MV || bus_mv >= EINF_BUS_LIMIT_MV) {
        flags |= EINF_SAMPLE_BUS_RANGE;
    }
    *sample = (einf_log_entry){
        .timestamp_ns = now_ns,
        .interval_ns = EINF_CONVERSION_NS,
        .seq = m->seq++,
        .current_ua = (int32_t)((int64_t)code * EINF_SHUNT_LSB_NV * 1000 / (int64_t)m->shunt_uohm),
        .bus_mv = bus_mv,
        .kind = EINF_LOG_SAMPLE,
        .flags = flags,
    };
    return true;
}
