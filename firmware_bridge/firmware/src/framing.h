/**
 * @file
 * SMP on a serial line: COBS frames and console lines, told apart by their first byte.
 *
 * PROTOCOL.md, "Frames". Bytes go in one by one; a message comes out whole, or not at all.
 */
#ifndef EDGE_INFER_FRAMING_H
#define EDGE_INFER_FRAMING_H

#include <stdbool.h>
#include <stdint.h>

/** Longest message, advertised to clients. */
#define MESSAGE_BYTES 2048U

typedef enum { FRAMING_COBS, FRAMING_CONSOLE } framing;

/** What a byte made of the frame. */
typedef enum {
    FRAME_NOTHING, /* it belongs to a frame that is under way */
    FRAME_MESSAGE, /* a message is complete */
    FRAME_NOISE,   /* it belongs to no frame */
} frame_event;

typedef enum { AT_START, AT_NOISE, AT_CONSOLE, AT_CONSOLE_START, AT_COBS, AT_SKIP } frame_state;

/** A decoder; zeroed it is ready. */
typedef struct {
    frame_state state;
    framing framing;   /* of the message that came last */
    uint32_t bytes;    /* of `data`; of the message once it is complete */
    uint32_t expected; /* console: message and CRC */
    uint32_t base64;   /* bits that make no byte yet */
    uint32_t base64_bits;
    bool further; /* console: a first line was taken */
    uint8_t line_start;
    uint8_t run;  /* COBS: bytes until the next code */
    uint8_t code; /* COBS: the code before */
    uint64_t last_ns;
    uint32_t damaged; /* frames that were begun and came to nothing */
    uint8_t data[MESSAGE_BYTES + 2];
} frame_decoder;

frame_event frame_take(frame_decoder *decoder, uint8_t byte, uint64_t now_ns);

/** Send a message. */
void frame_send(framing how, const uint8_t *message, uint32_t bytes);

#endif
