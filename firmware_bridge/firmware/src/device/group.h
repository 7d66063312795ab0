/**
 * @file
 * A group of SMP commands: what a handler takes and returns.
 */
#ifndef EINF_GROUP_H
#define EINF_GROUP_H

#include "edge_infer/wire.h"
#include "worker/device_state.h"

/** Why a request is refused. */
typedef struct {
    uint32_t code;       /* an EINF_CODE_, 0 when it is not refused */
    uint32_t group_code; /* the group's own, 0 when there is none */
    const char *reason;
} einf_refusal;

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

/** Not refused. */
static inline einf_refusal einf_granted(void) {
    return (einf_refusal){0, 0, 0};
}

static inline einf_refusal einf_refuse(uint32_t code, const char *reason) {
    return (einf_refusal){code, 0, reason};
}

/** The groups; enumeration_group.h has the fourth. */
extern const einf_smp_group einf_os_group, einf_image_group, einf_edge_group;

#endif
