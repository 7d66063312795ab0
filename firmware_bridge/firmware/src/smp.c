/* SMP messages: the header, the command's handler, the answer or refusal (PROTOCOL.md). */
#include <string.h>

#include "device.h"

#define HEADER_BYTES 8U

const smp_group *const smp_groups[4] = {&os_group, &image_group, &enumeration_group, &edge_group};

static smp_handler handler_of(uint32_t group, uint32_t command, uint32_t op) {
    for (uint32_t i = 0; i < 4; i++) {
        const smp_group *g = smp_groups[i];
        for (uint32_t k = 0; g->number == group && k < g->command_count; k++) {
            if (g->commands[k].command == command && g->commands[k].op == op) {
                return g->commands[k].handler;
            }
        }
    }
    return NULL;
}

/* Version 0 has one list of codes and room for the reason; version 1 names the group. */
static void write_refusal(cbor_writer *out, uint32_t version, uint32_t group, refusal why) {
    out->bytes = 0;
    out->full = false;
    if (version > 0 && why.group_code) {
        cbor_put_map(out, 1);
        cbor_put_text(out, "err");
        cbor_put_map(out, 2);
        cbor_pair_uint(out, "group", group);
        cbor_pair_uint(out, "rc", why.group_code);
        return;
    }
    cbor_put_map(out, 2);
    cbor_pair_uint(out, "rc", why.code);
    cbor_pair_text(out, "rsn", why.reason);
}

static refusal handle(device *d, const uint8_t *head, const cbor_map *in, cbor_writer *out) {
    const uint32_t group = (uint32_t)head[4] << 8 | head[5];
    const smp_handler handler = handler_of(group, head[7], head[0] & 7U);
    if (handler == NULL) {
        return refuse(SMP_NOT_SUPPORTED, "no such command in this group");
    }
    if (!cbor_is_map(in)) {
        return refuse(SMP_INVALID, "a body that is not a map of plain values");
    }
    const refusal why = handler(d, in, out);
    return why.code == 0 && out->full ? refuse(SMP_TOO_LARGE, "the answer is too long") : why;
}

void smp_answer(device *d, framing how, uint8_t *message, uint32_t bytes) {
    if (bytes < HEADER_BYTES) {
        return;
    }
    const uint32_t op = message[0] & 7U, version = message[0] >> 3 & 3U;
    const uint32_t length = (uint32_t)message[2] << 8 | message[3];
    if ((op != SMP_READ && op != SMP_WRITE) || version > 1 || length != bytes - HEADER_BYTES) {
        return;
    }
    const cbor_map in = {message + HEADER_BYTES, length};
    cbor_writer out = {d->answer + HEADER_BYTES, sizeof d->answer - HEADER_BYTES, 0, false};
    const uint32_t group = (uint32_t)message[4] << 8 | message[5];
    const refusal why = handle(d, message, &in, &out);
    if (why.code) {
        write_refusal(&out, version, group, why);
    }
    memcpy(d->answer, message, HEADER_BYTES);
    d->answer[0] = (uint8_t)(message[0] + 1);
    d->answer[1] = 0;
    d->answer[2] = (uint8_t)(out.bytes >> 8);
    d->answer[3] = (uint8_t)out.bytes;
    frame_send(how, d->answer, HEADER_BYTES + out.bytes);
}
