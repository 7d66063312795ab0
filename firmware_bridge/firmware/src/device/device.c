#include "edge_infer/device.h"

#include <string.h>

#include "device/dispatch.h"
#include "device/mlperf_tiny.h"
#include "worker/runner.h"

#define EINF_READ_BYTES 64U

static einf_device device;

/* A bundle on trial that cannot run is given up at once: the next reset is this one. */
static void start(einf_device *d) {
    einf_slots_reset(&d->slots);
    einf_device_open_bundle(d);
    if (!d->runs && d->slots.state.trial_failed) {
        einf_slots_reset(&d->slots);
        einf_device_open_bundle(d);
    }
    einf_log_mark(&d->log, EINF_LOG_CLOCK_KHZ, einf_hal_now_ns(), einf_hal_clock_khz());
}

void einf_device_start(uint8_t ina219_address, uint32_t shunt_uohm) {
    memset(&device, 0, sizeof device);
    device.ratio = EINF_FULL_WIDTH;
    start(&device);
    if (ina219_address != 0 && einf_ina219_start(&device.meter, ina219_address, shunt_uohm)) {
        einf_log_mark(&device.log, EINF_LOG_METER_START, einf_hal_now_ns(), 0);
    }
    einf_mlperf_greet();
}

bool einf_device_busy(void) {
    return device.mlperf.inferences > 0;
}

const char *einf_device_text(void) {
    return device.runs ? "ok" : device.failure;
}

static void take(einf_device *d, uint8_t byte) {
    switch (einf_frame_take(&d->decoder, byte, einf_hal_now_ns())) {
    case EINF_FRAME_MESSAGE:
        einf_smp_answer(d, d->decoder.framing, d->decoder.data, d->decoder.bytes);
        d->decoder.bytes = 0;
        return;
    case EINF_FRAME_NOISE:
        einf_mlperf_take(d, byte);
        return;
    case EINF_FRAME_NOTHING:
        return;
    }
}

void einf_device_poll(void) {
    uint8_t bytes[EINF_READ_BYTES];
    einf_log_entry sample;
    const uint32_t count = einf_hal_uart_read(bytes, sizeof bytes);
    for (uint32_t i = 0; i < count; i++) {
        take(&device, bytes[i]);
    }
    if (einf_ina219_poll(&device.meter, einf_hal_now_ns(), &sample)) {
        einf_log_add(&device.log, &sample);
    }
    einf_mlperf_poll(&device);
    einf_hal_watchdog_feed();
    if (device.reset_wanted) {
        device.reset_wanted = false;
        einf_hal_reset();
    }
}
