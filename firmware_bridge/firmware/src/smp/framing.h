/**
 * @file
 * SMP on a serial line: COBS frames and console lines, told apart by their first byte.
 *
 * PROTOCOL.md, "Frames". Bytes go in one by one; a message comes out whole, or not at all.
 */
#ifndef EINF_FRAMING_H
#define EINF_FRAMING_H

#include <stdbool.h>
#include <stdint.h>

/** Longest message, advertised to clients. */
#define EINF_MESSAGE_BYTES 2048U

typedef enum { EINF_FRAMING_COBS, EINF_FRAMING_CONSOLE } einf_framing;

/** What a byte made of the frame. */
typedef enum {
    EINF_FRAME_NOTHING, /* it belongs to a frame that is under way */
    EINF_FRAME_MESSAGE, /* a message is complete */
    EINF_FRAME_NOISE,   /* it belongs to no frame */
} einf_frame_event;

typedef enum {
    EINF_AT_START,
    EINF_AT_NOISE,
    EINF_AT_CONSOLE,
    EINF_AT_CONSOLE_START,
    EINF_AT_COBS,
    EINF_AT_SKIP
} einf_frame_state;

/** A decoder; zeroed it is ready. */
typedef struct {
    einf_frame_state state;
    einf_framing framing; /* of the message that came last */
    uint32_t bytes;       /* of `data`; of the message once it is complete */
    uint32_t expected;    /* console: message and CRC */
    uint32_t base64;      /* bits that make no byte yet */
    uint32_t base64_bits;
    bool further; /* console: a first line was taken */
    uint8_t line_start;
    uint8_t run;  /* COBS: bytes until the next code */
    uint8_t code; /* COBS: the code before */
    uint64_t last_ns;
    uint32_t damaged; /* frames that were begun and came to nothing */
    uint8_t data[EINF_MESSAGE_BYTES + 2];
} einf_frame_decoder;

einf_frame_event einf_frame_take(einf_frame_decoder *decoder, uint8_t byte, uint64_t now_ns);

/** Send a message. */
void einf_frame_send(einf_framing how, const uint8_t *message, uint32_t bytes);

#endif
