/* SMP group 0: echo, reset, buffers, who runs here (Zephyr, "Default/OS Management Group"). */
#include <string.h>

#include "device.h"
#include "edge_infer/hal.h"

#define EINF_OS_CODE_INVALID_FORMAT 2U
#define EINF_OS_CODE_NO_ANSWER      3U

static einf_refusal echo(einf_device *d, const einf_cbor_map *in, einf_cbor_writer *out) {
    einf_cbor_string text;
    (void)d;
    if (!einf_cbor_text(in, "d", &text)) {
        return einf_refuse(EINF_CODE_INVALID, "'d' has to be a text");
    }
    einf_cbor_put_map(out, 1);
    einf_cbor_put_text(out, "r");
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
    einf_cbor_pair_uint(out, "buf_size", EINF_MESSAGE_BYTES);
    einf_cbor_pair_uint(out, "buf_count", 1);
    return einf_granted();
}

static einf_refusal info(einf_device *d, const einf_cbor_map *in, einf_cbor_writer *out) {
    einf_cbor_string format = {(const uint8_t *)"s", 1};
    (void)d;
    if (einf_cbor_has(in, "format") && !einf_cbor_text(in, "format", &format)) {
        return einf_refuse(EINF_CODE_INVALID, "'format' has to be a text");
    }
    for (uint32_t i = 0; i < format.bytes; i++) {
        if (strchr("asnrvmpio", format.data[i]) == NULL || format.data[i] == 0) {
            return (einf_refusal){EINF_CODE_INVALID, EINF_OS_CODE_INVALID_FORMAT,
                                  "format: of asnrvmpio"};
        }
    }
    einf_cbor_put_map(out, 1);
    einf_cbor_put_text(out, "output");
    einf_cbor_put_text(out, einf_hal_board);
    return einf_granted();
}

static einf_refusal bootloader(einf_device *d, const einf_cbor_map *in, einf_cbor_writer *out) {
    (void)d;
    if (einf_cbor_has(in, "query")) {
        return (einf_refusal){EINF_CODE_NO_ENTRY, EINF_OS_CODE_NO_ANSWER, "no such query"};
    }
    einf_cbor_put_map(out, 1);
    einf_cbor_pair_text(out, "bootloader", "edge-infer");
    return einf_granted();
}

static const einf_smp_command commands[] = {
    {0, EINF_OP_READ, echo},       {0, EINF_OP_WRITE, echo}, {5, EINF_OP_WRITE, reset},
    {6, EINF_OP_READ, parameters}, {7, EINF_OP_READ, info},  {8, EINF_OP_READ, bootloader},
};

const einf_smp_group einf_os_group = {EINF_GROUP_OS, sizeof commands / sizeof *commands, "os",
                                      commands};
