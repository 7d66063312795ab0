/**
 * @file
 * The parts of a device that the command groups share.
 */
#ifndef EINF_DEVICE_PARTS_H
#define EINF_DEVICE_PARTS_H

#include "cbor.h"
#include "clock.h"
#include "edge_infer/governor.h"
#include "framing.h"
#include "ina219.h"
#include "power_log.h"
#include "slots.h"
#include "upload.h"

#ifndef EINF_ARENA_BYTES
/** Operators and activations of the bundle that runs. */
#define EINF_ARENA_BYTES (96U * 1024U)
#endif
#ifndef EINF_FRAME_BYTES
/** Largest frame. */
#define EINF_FRAME_BYTES (16U * 1024U)
#endif

/** General SMP codes. */
enum {
    EINF_CODE_UNKNOWN = 1,
    EINF_CODE_NO_MEMORY = 2,
    EINF_CODE_INVALID = 3,
    EINF_CODE_NO_ENTRY = 5,
    EINF_CODE_BAD_STATE = 6,
    EINF_CODE_TOO_LARGE = 7,
    EINF_CODE_NOT_SUPPORTED = 8,
    EINF_CODE_CORRUPT = 9,
    EINF_CODE_BUSY = 10,
};

/** Operations of a request. */
enum { EINF_OP_READ = 0, EINF_OP_WRITE = 2 };

/** Groups. */
enum {
    EINF_GROUP_OS = 0,
    EINF_GROUP_IMAGE = 1,
    EINF_GROUP_ENUMERATION = 10,
    EINF_GROUP_EDGE_INFER = 70
};

/** Why a request is refused. */
typedef struct {
    uint32_t code;       /* general, 0 when it is not refused */
    uint32_t group_code; /* the group's own, 0 when there is none */
    const char *reason;
} einf_refusal;

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

/** Everything a device remembers while it runs. */
typedef struct einf_device {
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
    einf_residency clock;
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

/** Handler of a command: reads `in`, writes the answer's map to `out`. */
typedef einf_refusal (*einf_smp_handler)(einf_device *d, const einf_cbor_map *in,
                                         einf_cbor_writer *out);

/** One command of a group. */
typedef struct {
    uint8_t command;
    uint8_t op;
    einf_smp_handler handler;
} einf_smp_command;

/** A group. */
typedef struct {
    uint16_t number;
    uint8_t command_count;
    const char *name;
    const einf_smp_command *commands;
} einf_smp_group;

extern const einf_smp_group einf_os_group, einf_image_group, einf_enumeration_group,
    einf_edge_group;

/** All groups, by number. */
extern const einf_smp_group *const einf_smp_groups[4];

/** Not refused. */
static inline einf_refusal einf_granted(void) {
    return (einf_refusal){0, 0, 0};
}

static inline einf_refusal einf_refuse(uint32_t code, const char *reason) {
    return (einf_refusal){code, 0, reason};
}

/** Answer one message. */
void einf_smp_answer(einf_device *d, einf_framing how, uint8_t *message, uint32_t bytes);

/** Open what is active; `d->runs` tells whether it does. */
void einf_device_open_bundle(einf_device *d);

/** Does the other slot's bundle open and run? Leaves the active one open again. */
einf_status einf_device_self_test(einf_device *d);

/**
 * Open the bundle that runs at another pruning ratio. Where it has no such ratio, or no room for
 * it, the one before stays.
 */
einf_status einf_device_prune(einf_device *d, uint32_t ratio);

/** Choose the policy and count anew; EINF_NO_ENTRY where the bundle has no plan for this board. */
einf_status einf_device_govern(einf_device *d, einf_policy wanted);

/** Answer `d->frame`. */
void einf_device_infer(einf_device *d, uint64_t number, bool quantised, einf_inference *result);

/** The MLPerf Tiny protocol: a byte that belongs to no SMP frame. */
void einf_mlperf_take(einf_device *d, uint8_t byte);

/** Go on with an `infer` of the MLPerf Tiny protocol, one frame. */
void einf_mlperf_poll(einf_device *d);

/** What a device says when it has started, for the MLPerf Tiny runner. */
void einf_mlperf_greet(void);

#endif
