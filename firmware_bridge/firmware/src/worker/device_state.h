/**
 * @file
 * Everything a device remembers while it runs.
 */
#ifndef EINF_DEVICE_STATE_H
#define EINF_DEVICE_STATE_H

#include "edge_infer/governor.h"
#include "slots/slots.h"
#include "slots/upload.h"
#include "smp/cbor.h"
#include "smp/framing.h"
#include "worker/clock_residency.h"
#include "worker/ina219.h"
#include "worker/power_log.h"

#ifndef EINF_ARENA_BYTES
/** Operators and activations of the bundle that runs. */
#define EINF_ARENA_BYTES (96U * 1024U)
#endif
#ifndef EINF_FRAME_BYTES
/** Largest frame. */
#define EINF_FRAME_BYTES (16U * 1024U)
#endif

/** What one inference came to. */
typedef struct {
    uint32_t exit;
    einf_exit last;
    bool predicted; /* after the first stage, as `bin` */
    uint32_t bin;
    uint32_t switches;
    uint64_t arrival_ns; /* the frame was whole */
    uint32_t khz[EINF_MAX_STAGES];
    uint64_t stage_start_ns[EINF_MAX_STAGES];
    uint64_t stage_end_ns[EINF_MAX_STAGES];
} einf_inference;

#define EINF_MLPERF_COMMAND_BYTES 80U /* EE_CMD_SIZE; what is longer is cut */

/** The MLPerf Tiny protocol, between two bytes of it. */
typedef struct {
    char command[EINF_MLPERF_COMMAND_BYTES + 1];
    uint32_t command_bytes;
    uint32_t expected; /* bytes of the frame that `db load` announced */
    uint32_t loaded;
    uint32_t warmups;
    uint32_t inferences; /* still to do */
    bool answered;
} einf_mlperf;

/** What chooses the clock. */
typedef enum { EINF_POLICY_PERFORMANCE, EINF_POLICY_POWERSAVE, EINF_POLICY_PLANNED } einf_policy;

/** The device: there is one. */
typedef struct {
    einf_frame_decoder decoder;
    einf_slots slots;
    einf_upload upload;
    einf_power_log log;
    einf_ina219 meter;
    bool runs;           /* `bundle` is open */
    const char *failure; /* why nothing runs */
    einf_bundle bundle;
    uint32_t ratio; /* of the bundle that runs */
    einf_policy policy;
    einf_governor governor; /* of the planned policy */
    einf_residency residency;
    bool reset_wanted;
    uint32_t self_tested;                        /* golden vectors that passed, ... */
    uint32_t self_tested_ratios;                 /* ... ratios that opened, ... */
    uint8_t self_test_digest[EINF_SHA256_BYTES]; /* ... of this image */
    uint64_t inferences;
    uint64_t exits[EINF_MAX_STAGES];
    uint64_t frame_number; /* of `frame` */
    uint64_t session;
    uint64_t answered; /* frame number + 1 of `result`; 0 for none */
    uint32_t frame_filled;
    einf_inference result;
    einf_mlperf mlperf;
    uint8_t frame[EINF_FRAME_BYTES];
    uint8_t answer[EINF_MESSAGE_BYTES];
    uint64_t arena[EINF_ARENA_BYTES / 8];
} einf_device;

#endif
