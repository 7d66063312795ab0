/* SMP group 0: echo, reset, buffers, who runs here (Zephyr, "Default/OS Management Group"). */
#include <string.h>

#include "device.h"
#include "edge_infer/hal.h"

#define OS_INVALID_FORMAT 2U
#define OS_NO_ANSWER      3U

static refusal echo(device *d, const cbor_map *in, cbor_writer *out) {
    cbor_string text;
    (void)d;
    if (!cbor_text(in, "d", &text)) {
        return refuse(SMP_INVALID, "'d' has to be a text");
    }
    cbor_put_map(out, 1);
    cbor_put_text(out, "r");
    cbor_put_text_of(out, text.data, text.bytes);
    return granted();
}

static refusal reset(device *d, const cbor_map *in, cbor_writer *out) {
    (void)in;
    d->reset_wanted = true;
    cbor_put_map(out, 0);
    return granted();
}

static refusal parameters(device *d, const cbor_map *in, cbor_writer *out) {
    (void)d;
    (void)in;
    cbor_put_map(out, 2);
    cbor_pair_uint(out, "buf_size", MESSAGE_BYTES);
    cbor_pair_uint(out, "buf_count", 1);
    return granted();
}

static refusal info(device *d, const cbor_map *in, cbor_writer *out) {
    cbor_string format = {(const uint8_t *)"s", 1};
    (void)d;
    if (cbor_has(in, "format") && !cbor_text(in, "format", &format)) {
        return refuse(SMP_INVALID, "'format' has to be a text");
    }
    for (uint32_t i = 0; i < format.bytes; i++) {
        if (strchr("asnrvmpio", format.data[i]) == NULL || format.data[i] == 0) {
            return (refusal){SMP_INVALID, OS_INVALID_FORMAT, "format: of asnrvmpio"};
        }
    }
    cbor_put_map(out, 1);
    cbor_put_text(out, "output");
    cbor_put_text(out, ei_hal_board);
    return granted();
}

static refusal bootloader(device *d, const cbor_map *in, cbor_writer *out) {
    (void)d;
    if (cbor_has(in, "query")) {
        return (refusal){SMP_NO_ENTRY, OS_NO_ANSWER, "no such query"};
    }
    cbor_put_map(out, 1);
    cbor_pair_text(out, "bootloader", "edge-infer");
    return granted();
}

static const smp_command commands[] = {
    {0, SMP_READ, echo},       {0, SMP_WRITE, echo}, {5, SMP_WRITE, reset},
    {6, SMP_READ, parameters}, {7, SMP_READ, info},  {8, SMP_READ, bootloader},
};

const smp_group os_group = {GROUP_OS, sizeof commands / sizeof *commands, "os", commands};
