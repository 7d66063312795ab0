/**
 * @file
 * The parts of a device that the command groups share.
 */
#ifndef EDGE_INFER_DEVICE_PARTS_H
#define EDGE_INFER_DEVICE_PARTS_H

#include "cbor.h"
#include "clock.h"
#include "edge_infer/governor.h"
#include "framing.h"
#include "ina219.h"
#include "power_log.h"
#include "slots.h"
#include "upload.h"

#ifndef EI_ARENA_BYTES
/** Operators and activations of the bundle that runs. */
#define EI_ARENA_BYTES (96U * 1024U)
#endif
#ifndef EI_FRAME_BYTES
/** Largest frame. */
#define EI_FRAME_BYTES (16U * 1024U)
#endif

/** General SMP codes. */
enum {
    SMP_UNKNOWN = 1,
    SMP_NO_MEMORY = 2,
    SMP_INVALID = 3,
    SMP_NO_ENTRY = 5,
    SMP_BAD_STATE = 6,
    SMP_TOO_LARGE = 7,
    SMP_NOT_SUPPORTED = 8,
    SMP_CORRUPT = 9,
    SMP_BUSY = 10,
};

/** Operations of a request. */
enum { SMP_READ = 0, SMP_WRITE = 2 };

/** Groups. */
enum { GROUP_OS = 0, GROUP_IMAGE = 1, GROUP_ENUMERATION = 10, GROUP_EDGE_INFER = 70 };

/** Why a request is refused. */
typedef struct {
    uint32_t code;       /* general, 0 when it is not refused */
    uint32_t group_code; /* the group's own, 0 when there is none */
    const char *reason;
} refusal;

/** What one inference came to. */
typedef struct {
    uint32_t exit;
    ei_exit last;
    bool predicted; /* after the first stage, as `bin` */
    uint32_t bin;
    uint32_t switches;
    uint64_t arrival_ns; /* the frame was whole */
    uint32_t khz[EI_MAX_STAGES];
    uint64_t stage_start_ns[EI_MAX_STAGES];
    uint64_t stage_end_ns[EI_MAX_STAGES];
} inference;

#define MLPERF_COMMAND_BYTES 80U /* EE_CMD_SIZE; what is longer is cut */

/** The MLPerf Tiny protocol, between two bytes of it. */
typedef struct {
    char command[MLPERF_COMMAND_BYTES + 1];
    uint32_t command_bytes;
    uint32_t expected; /* bytes of the frame that `db load` announced */
    uint32_t loaded;
    uint32_t warmups;
    uint32_t inferences; /* still to do */
    bool answered;
} mlperf;

/** What chooses the clock. */
typedef enum { POLICY_PERFORMANCE, POLICY_POWERSAVE, POLICY_PLANNED } policy;

/** Everything a device remembers while it runs. */
typedef struct device {
    frame_decoder decoder;
    slots slots;
    upload upload;
    power_log log;
    ina219 meter;
    bool runs;           /* `bundle` is open */
    const char *failure; /* why nothing runs */
    ei_bundle bundle;
    uint32_t ratio; /* of the bundle that runs */
    policy policy;
    ei_governor governor; /* of the planned policy */
    clock clock;
    bool reset_wanted;
    uint32_t self_tested;                      /* golden vectors that passed, ... */
    uint32_t self_tested_ratios;               /* ... ratios that opened, ... */
    uint8_t self_test_digest[EI_SHA256_BYTES]; /* ... of this image */
    uint64_t inferences;
    uint64_t exits[EI_MAX_STAGES];
    uint64_t frame_number; /* of `frame` */
    uint64_t session;
    uint64_t answered; /* frame number + 1 of `result`; 0 for none */
    uint32_t frame_filled;
    inference result;
    mlperf mlperf;
    uint8_t frame[EI_FRAME_BYTES];
    uint8_t answer[MESSAGE_BYTES];
    uint64_t arena[EI_ARENA_BYTES / 8];
} device;

/** Handler of a command: reads `in`, writes the answer's map to `out`. */
typedef refusal (*smp_handler)(device *d, const cbor_map *in, cbor_writer *out);

/** One command of a group. */
typedef struct {
    uint8_t command;
    uint8_t op;
    smp_handler handler;
} smp_command;

/** A group. */
typedef struct {
    uint16_t number;
    uint8_t command_count;
    const char *name;
    const smp_command *commands;
} smp_group;

extern const smp_group os_group, image_group, enumeration_group, edge_group;

/** All groups, by number. */
extern const smp_group *const smp_groups[4];

/** Not refused. */
static inline refusal granted(void) {
    return (refusal){0, 0, 0};
}

static inline refusal refuse(uint32_t code, const char *reason) {
    return (refusal){code, 0, reason};
}

/** Answer one message. */
void smp_answer(device *d, framing how, uint8_t *message, uint32_t bytes);

/** Open what is active; `d->runs` tells whether it does. */
void device_open_bundle(device *d);

/** Does the other slot's bundle open and run? Leaves the active one open again. */
ei_status device_self_test(device *d);

/**
 * Open the bundle that runs at another pruning ratio. Where it has no such ratio, or no room for
 * it, the one before stays.
 */
ei_status device_prune(device *d, uint32_t ratio);

/** Choose the policy and count anew; EI_NO_ENTRY where the bundle has no plan for this board. */
ei_status device_govern(device *d, policy wanted);

/** Answer `d->frame`. */
void device_infer(device *d, uint64_t number, bool quantised, inference *result);

/** The MLPerf Tiny protocol: a byte that belongs to no SMP frame. */
void mlperf_take(device *d, uint8_t byte);

/** Go on with an `infer` of the MLPerf Tiny protocol, one frame. */
void mlperf_poll(device *d);

/** What a device says when it has started, for the MLPerf Tiny runner. */
void mlperf_greet(void);

#endif
