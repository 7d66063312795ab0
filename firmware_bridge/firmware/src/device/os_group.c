/* SMP group 0: echo, reset, buffers, who runs here (Zephyr, "Default/OS Management Group"). */
#include <string.h>

#include "device/group.h"
#include "edge_infer/hal.h"

static einf_refusal echo(einf_device *d, const einf_cbor_map *in, einf_cbor_writer *out) {
    einf_cbor_string text;
    (void)d;
    if (!einf_cbor_text(in, EINF_KEY_D, &text)) {
        return einf_refuse(EINF_CODE_INVALID, "'d' has to be a text");
    }
    einf_cbor_put_map(out, 1);
    einf_cbor_put_text(out, EINF_KEY_R);
    einf_cbor_put_text_of(out, text.data, text.bytes);
    return einf_granted();
}

static einf_refusal reset(einf_device *d, const einf_cbor_map *in, einf_cbor_writer *out) {
    (void)in;
    d->reset_wanted = true;
    einf_cbor_put_map(out, 0);
    return einf_granted();
}

static einf_refusal parameters(einf_device *d, const einf_cbor_map *in, einf_cbor_writer *out) {
    (void)d;
    (void)in;
    einf_cbor_put_map(out, 2);
    einf_cbor_pair_uint(out, EINF_KEY_BUF_SIZE, EINF_MESSAGE_BYTES);
    einf_cbor_pair_uint(out, EINF_KEY_BUF_COUNT, 1);
    return einf_granted();
}

static einf_refusal info(einf_device *d, const einf_cbor_map *in, einf_cbor_writer *out) {
    einf_cbor_string format = {(const uint8_t *)"s", 1};
    (void)d;
    if (einf_cbor_has(in, EINF_KEY_FORMAT) && !einf_cbor_text(in, EINF_KEY_FORMAT, &format)) {
        return einf_refuse(EINF_CODE_INVALID, "'format' has to be a text");
    }
    for (uint32_t i = 0; i < format.bytes; i++) {
        if (strchr("asnrvmpio", format.data[i]) == NULL || format.data[i] == 0) {
            return (einf_refusal){EINF_CODE_INVALID, EINF_OS_CODE_INVALID_FORMAT,
                                  "format: of asnrvmpio"};
        }
    }
    einf_cbor_put_map(out, 1);
    einf_cbor_put_text(out, EINF_KEY_OUTPUT);
    einf_cbor_put_text(out, einf_hal_board);
    return einf_granted();
}

static einf_refusal bootloader(einf_device *d, const einf_cbor_map *in, einf_cbor_writer *out) {
    (void)d;
    if (einf_cbor_has(in, EINF_KEY_QUERY)) {
        return (einf_refusal){EINF_CODE_NO_ENTRY, EINF_OS_CODE_NO_ANSWER, "no such query"};
    }
    einf_cbor_put_map(out, 1);
    einf_cbor_pair_text(out, EINF_KEY_BOOTLOADER, "edge-infer");
    return einf_granted();
}

static const einf_smp_command commands[] = {
    {EINF_OS_ECHO, EINF_OP_READ, echo},    {EINF_OS_ECHO, EINF_OP_WRITE, echo},
    {EINF_OS_RESET, EINF_OP_WRITE, reset}, {EINF_OS_PARAMETERS, EINF_OP_READ, parameters},
    {EINF_OS_INFO, EINF_OP_READ, info},    {EINF_OS_BOOTLOADER, EINF_OP_READ, bootloader},
};

const einf_smp_group einf_os_group = {EINF_GROUP_OS, sizeof commands / sizeof *commands, "os",
                                      commands};
