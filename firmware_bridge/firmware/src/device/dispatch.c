#include "device/dispatch.h"

#include <string.h>

#include "device/enumeration_group.h"

#define EINF_HEADER_BYTES 8U

static einf_smp_handler handler_of(uint32_t group, uint32_t command, uint32_t op) {
    for (uint32_t i = 0; i < EINF_GROUPS; i++) {
        const einf_smp_group *g = einf_smp_groups[i];
        for (uint32_t k = 0; g->number == group && k < g->command_count; k++) {
            if (g->commands[k].command == command && g->commands[k].op == op) {
                return g->commands[k].handler;
            }
        }
    }
    return NULL;
}

/* Version 0 has one list of codes and room for the reason; version 1 names the group. */
static void write_refusal(einf_cbor_writer *out, uint32_t version, uint32_t group,
                          einf_refusal why) {
    out->bytes = 0;
    out->full = false;
    if (version > 0 && why.group_code) {
        einf_cbor_put_map(out, 1);
        einf_cbor_put_text(out, EINF_KEY_ERR);
        einf_cbor_put_map(out, 2);
        einf_cbor_pair_uint(out, EINF_KEY_GROUP, group);
        einf_cbor_pair_uint(out, EINF_KEY_RC, why.group_code);
        return;
    }
    einf_cbor_put_map(out, 2);
    einf_cbor_pair_uint(out, EINF_KEY_RC, why.code);
    einf_cbor_pair_text(out, EINF_KEY_RSN, why.reason);
}

static einf_refusal handle(einf_device *d, const uint8_t *head, const einf_cbor_map *in,
                           einf_cbor_writer *out) {
    const uint32_t group = (uint32_t)head[4] << 8 | head[5];
    const einf_smp_handler handler = handler_of(group, head[7], head[0] & 7U);
    if (handler == NULL) {
        return einf_refuse(EINF_CODE_NOT_SUPPORTED, "no such command in this group");
    }
    if (!einf_cbor_is_map(in)) {
        return einf_refuse(EINF_CODE_INVALID, "a body that is not a map of plain values");
    }
    const einf_refusal why = handler(d, in, out);
    return why.code == 0 && out->full ? einf_refuse(EINF_CODE_TOO_LARGE, "the answer is too long")
                                      : why;
}

void einf_smp_answer(einf_device *d, einf_framing how, uint8_t *message, uint32_t bytes) {
    if (bytes < EINF_HEADER_BYTES) {
        return;
    }
    const uint32_t op = message[0] & 7U, version = message[0] >> 3 & 3U;
    const uint32_t length = (uint32_t)message[2] << 8 | message[3];
    if ((op != EINF_OP_READ && op != EINF_OP_WRITE) || version > 1 ||
        length != bytes - EINF_HEADER_BYTES) {
        return;
    }
    const einf_cbor_map in = {message + EINF_HEADER_BYTES, length};
    einf_cbor_writer out = {d->answer + EINF_HEADER_BYTES, sizeof d->answer - EINF_HEADER_BYTES, 0,
                            false};
    const uint32_t group = (uint32_t)message[4] << 8 | message[5];
    const einf_refusal why = handle(d, message, &in, &out);
    if (why.code) {
        write_refusal(&out, version, group, why);
    }
    memcpy(d->answer, message, EINF_HEADER_BYTES);
    d->answer[0] = (uint8_t)(message[0] + 1);
    d->answer[1] = 0;
    d->answer[2] = (uint8_t)(out.bytes >> 8);
    d->answer[3] = (uint8_t)out.bytes;
    einf_frame_send(how, d->answer, EINF_HEADER_BYTES + out.bytes);
}
