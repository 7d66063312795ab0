#include "smp/framing.h"

#include <string.h>

#include "edge_infer/hal.h"

#define EINF_GAP_NS      400000000U /* a frame that pauses longer is given up */
#define EINF_CRC_BYTES   2U
#define EINF_LINE_BASE64 124U
#define EINF_LINE_BYTES  (EINF_LINE_BASE64 / 4 * 3)

/* CRC-16/XMODEM: polynomial 0x1021, start 0. */
static uint16_t crc16(uint16_t crc, const uint8_t *data, uint32_t bytes) {
    for (uint32_t i = 0; i < bytes; i++) {
        crc = (uint16_t)(crc ^ (uint16_t)data[i] << 8);
        for (int bit = 0; bit < 8; bit++) {
            crc = (uint16_t)(crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1);
        }
    }
    return crc;
}

static einf_frame_event give_up(einf_frame_decoder *d, einf_frame_state next) {
    d->damaged++;
    d->state = next;
    d->further = false;
    d->bytes = 0;
    return EINF_FRAME_NOTHING;
}

static bool put(einf_frame_decoder *d, uint8_t byte) {
    if (d->bytes >= sizeof d->data) {
        return false;
    }
    d->data[d->bytes++] = byte;
    return true;
}

/* The content is whole: is its CRC right? */
static einf_frame_event complete(einf_frame_decoder *d, einf_framing how) {
    const bool right = d->bytes > EINF_CRC_BYTES && crc16(0, d->data, d->bytes) == 0;
    if (!right) {
        return give_up(d, EINF_AT_START);
    }
    d->bytes -= EINF_CRC_BYTES;
    d->framing = how;
    d->state = EINF_AT_START;
    d->further = false;
    return EINF_FRAME_MESSAGE;
}

static einf_frame_event start(einf_frame_decoder *d, uint8_t byte) {
    if (byte == 0 || byte == '\r' || byte == '\n') {
        return EINF_FRAME_NOTHING;
    }
    if (byte == 1 || byte == 2) {
        d->bytes = 0;
        d->further = false;
        d->run = (uint8_t)(byte - 1);
        d->code = byte;
        d->state = EINF_AT_COBS;
        return EINF_FRAME_NOTHING;
    }
    if (byte == 6 || byte == 4) {
        d->line_start = byte;
        d->state = EINF_AT_CONSOLE_START;
        return EINF_FRAME_NOTHING;
    }
    d->state = EINF_AT_NOISE;
    return EINF_FRAME_NOISE;
}

static einf_frame_event take_noise(einf_frame_decoder *d, uint8_t byte) {
    if (byte == 0 || byte == '\n' || byte == 6) {
        d->state = EINF_AT_START;
        return byte == 6 ? start(d, byte) : EINF_FRAME_NOISE;
    }
    return EINF_FRAME_NOISE;
}

static einf_frame_event take_cobs(einf_frame_decoder *d, uint8_t byte) {
    if (byte == 0) {
        return d->run == 0 ? complete(d, EINF_FRAMING_COBS) : give_up(d, EINF_AT_START);
    }
    bool fits = true;
    if (d->run == 0) {
        /* A zero stands between two runs, unless the first was the longest. */
        fits = d->code == 0xFF || put(d, 0);
        d->run = (uint8_t)(byte - 1);
        d->code = byte;
    } else {
        fits = put(d, byte);
        d->run--;
    }
    return fits ? EINF_FRAME_NOTHING : give_up(d, EINF_AT_SKIP);
}

static einf_frame_event take_console_start(einf_frame_decoder *d, uint8_t byte) {
    const bool first = d->line_start == 6 && byte == 9;
    const bool further = d->line_start == 4 && byte == 20 && d->further;
    if (!first && !further) {
        return give_up(d, byte == 0 || byte == '\n' ? EINF_AT_START : EINF_AT_NOISE);
    }
    if (first) {
        d->bytes = 0;
        d->expected = 0;
    }
    d->base64_bits = 0;
    d->further = true;
    d->state = EINF_AT_CONSOLE;
    return EINF_FRAME_NOTHING;
}

static int32_t base64_value(uint8_t byte) {
    static const char digits[] = "+/";
    return byte >= 'A' && byte <= 'Z'   ? byte - 'A'
           : byte >= 'a' && byte <= 'z' ? byte - 'a' + 26
           : byte >= '0' && byte <= '9' ? byte - '0' + 52
           : byte == digits[0]          ? 62
           : byte == digits[1]          ? 63
                                        : -1;
}

/* The first two bytes of the content are the length of the rest. */
static bool put_content(einf_frame_decoder *d, uint8_t byte) {
    if (d->expected < 0x10000U) {
        d->expected =
            d->expected == 0 ? 0x8000U | byte : 0x10000U | (d->expected & 0xFF) << 8 | byte;
        return true;
    }
    return put(d, byte);
}

static einf_frame_event end_of_line(einf_frame_decoder *d) {
    const uint32_t length = d->expected & 0xFFFF;
    if (d->expected < 0x10000U || length > sizeof d->data || d->bytes > length) {
        return give_up(d, EINF_AT_START);
    }
    if (d->bytes < length) {
        d->state = EINF_AT_START;
        return EINF_FRAME_NOTHING;
    }
    return complete(d, EINF_FRAMING_CONSOLE);
}

static einf_frame_event take_console(einf_frame_decoder *d, uint8_t byte) {
    if (byte == '\n' || byte == 0) {
        return end_of_line(d);
    }
    if (byte == '=' || byte == '\r') {
        return EINF_FRAME_NOTHING;
    }
    const int32_t value = base64_value(byte);
    if (value < 0) {
        return give_up(d, EINF_AT_SKIP);
    }
    d->base64 = (d->base64 << 6 | (uint32_t)value) & 0xFFFF;
    d->base64_bits += 6;
    if (d->base64_bits < 8) {
        return EINF_FRAME_NOTHING;
    }
    d->base64_bits -= 8;
    return put_content(d, (uint8_t)(d->base64 >> d->base64_bits)) ? EINF_FRAME_NOTHING
                                                                  : give_up(d, EINF_AT_SKIP);
}

einf_frame_event einf_frame_take(einf_frame_decoder *d, uint8_t byte, uint64_t now_ns) {
    if (now_ns - d->last_ns > EINF_GAP_NS && (d->state != EINF_AT_START || d->further)) {
        give_up(d, EINF_AT_START);
    }
    d->last_ns = now_ns;
    switch (d->state) {
    case EINF_AT_START:
        return start(d, byte);
    case EINF_AT_NOISE:
        return take_noise(d, byte);
    case EINF_AT_COBS:
        return take_cobs(d, byte);
    case EINF_AT_CONSOLE_START:
        return take_console_start(d, byte);
    case EINF_AT_CONSOLE:
        return take_console(d, byte);
    case EINF_AT_SKIP: /* the rest of a frame that was too long or damaged */
        d->state = byte == 0 || byte == '\n' ? EINF_AT_START : EINF_AT_SKIP;
        return EINF_FRAME_NOTHING;
    }
    return EINF_FRAME_NOTHING;
}

/* Byte `index` of a message followed by its CRC. */
static uint8_t checked_byte(const uint8_t *message, uint32_t bytes, uint16_t crc, uint32_t index) {
    return index < bytes ? message[index] : (uint8_t)(index == bytes ? crc >> 8 : crc);
}

static void send_cobs(const uint8_t *message, uint32_t bytes, uint16_t crc) {
    const uint32_t total = bytes + EINF_CRC_BYTES;
    uint8_t run[255] = {0}; /* the delimiter that ends whatever noise stands on the line */
    einf_hal_uart_write(run, 1);
    bool more = true;
    for (uint32_t at = 0; more;) {
        uint32_t length = 0;
        while (length < 254 && at + length < total &&
               checked_byte(message, bytes, crc, at + length)) {
            run[1 + length] = checked_byte(message, bytes, crc, at + length);
            length++;
        }
        run[0] = (uint8_t)(length + 1);
        einf_hal_uart_write(run, length + 1);
        /* After a run shorter than the longest, a zero is skipped that stood in the content. */
        more = at + length < total;
        at += length + (length < 254 ? 1 : 0);
        if (length == 254 && !more) { /* the host's decoder wants no empty run after the longest */
            const uint8_t empty = 1;
            einf_hal_uart_write(&empty, 1);
        }
    }
    const uint8_t end = 0;
    einf_hal_uart_write(&end, 1);
}

static void send_base64(const uint8_t *data, uint32_t bytes) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (uint32_t i = 0; i < bytes; i += 3) {
        const uint32_t left = bytes - i;
        const uint32_t word = (uint32_t)data[i] << 16 |
                              (left > 1 ? (uint32_t)data[i + 1] << 8 : 0) |
                              (left > 2 ? data[i + 2] : 0U);
        const uint8_t text[4] = {
            (uint8_t)digits[word >> 18],
            (uint8_t)digits[word >> 12 & 63],
            left > 1 ? (uint8_t)digits[word >> 6 & 63] : '=',
            left > 2 ? (uint8_t)digits[word & 63] : '=',
        };
        einf_hal_uart_write(text, sizeof text);
    }
}

static void send_console(const uint8_t *message, uint32_t bytes, uint16_t crc) {
    static const uint8_t first[2] = {6, 9}, further[2] = {4, 20};
    const uint32_t length = bytes + EINF_CRC_BYTES, total = length + 2;
    uint8_t line[EINF_LINE_BYTES];
    for (uint32_t at = 0; at < total; at += EINF_LINE_BYTES) {
        const uint32_t count = total - at < EINF_LINE_BYTES ? total - at : EINF_LINE_BYTES;
        for (uint32_t i = 0; i < count; i++) {
            const uint32_t index = at + i;
            line[i] = index == 0   ? (uint8_t)(length >> 8)
                      : index == 1 ? (uint8_t)length
                                   : checked_byte(message, bytes, crc, index - 2);
        }
        einf_hal_uart_write(at ? further : first, 2);
        send_base64(line, count);
        einf_hal_uart_write((const uint8_t *)"\n", 1);
    }
}

void einf_frame_send(einf_framing how, const uint8_t *message, uint32_t bytes) {
    const uint16_t crc = crc16(0, message, bytes);
    if (how == EINF_FRAMING_COBS) {
        send_cobs(message, bytes, crc);
    } else {
        send_console(message, bytes, crc);
    }
}
