"""Both framings of SMP on a serial port, told apart by the first byte of a frame.

Console: the lines of the MCUmgr serial transport, `06 09` (first) or `04 14` (further), base64,
newline; decoded they are a 16-bit length, the message, its CRC16, all big endian. Zephyr
documentation, "SMP Transport Specification", section "UART/serial and console".
COBS: the message and its CRC16, stuffed, between zero bytes; MCUboot's raw serial recovery.
Cheshire and Baker, "Consistent Overhead Byte Stuffing", IEEE/ACM Transactions on Networking
7(2), 1999, section III: bytes without zeros for one of overhead in every 254 begun.

An SMP header has flags 0 in its second byte, so a COBS frame starts with 01 or 02, a console
frame with 06 or 04, and nothing that a person types starts with either.
"""

import binascii
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from edge_infer.firmware_bridge.errors import FrameError

MAX_MESSAGE_BYTES = 4096
"""Longest message a decoder accepts unless told otherwise; bounds its memory."""

GAP_NS = 1_000_000_000
"""A frame that pauses longer than this is given up: what follows is a repetition."""

_LINE_BASE64 = 124
"""Base64 characters a line: with the two start bytes and the newline the 127 that Zephyr reads."""

_FIRST, _FURTHER = b"\x06\x09", b"\x04\x14"
_LENGTH_BYTES = 2
_CRC_BYTES = 2

_DELIMITER = b"\x00"
_LONGEST_RUN = 254
"""Bytes after the code 0xFF, the only code that no zero follows."""
_CODES = tuple(bytes([code]) for code in range(256))


class Framing(Enum):
    """How a message is written on the line."""

    CONSOLE = "console"
    COBS = "cobs"


class Received(NamedTuple):
    """One intact message, and the framing to answer in."""

    framing: Framing
    message: bytes


def crc16(data: bytes) -> int:
    """CRC-16/XMODEM: polynomial 0x1021, start 0, not reflected."""
    return binascii.crc_hqx(data, 0)


def encode(message: bytes, framing: Framing) -> bytes:
    """Return the bytes that carry `message` over the line."""
    checked = message + crc16(message).to_bytes(_CRC_BYTES, "big")
    if framing is Framing.COBS:
        # The leading delimiter ends whatever noise or half frame stands on the line.
        return _DELIMITER + stuff(checked) + _DELIMITER
    return _lines(len(checked).to_bytes(_LENGTH_BYTES, "big") + checked)


def _lines(content: bytes) -> bytes:
    text = binascii.b2a_base64(content, newline=False)
    parts = (text[at : at + _LINE_BASE64] for at in range(0, len(text), _LINE_BASE64))
    return b"".join(
        (_FURTHER if number else _FIRST) + part + b"\n" for number, part in enumerate(parts)
    )


def stuff(data: bytes) -> bytes:
    """Return `data` without zero bytes, no delimiter appended.

    Works on the runs between zeros, which `bytes.split` finds: an interpreted loop over
    single bytes could not fill a fast line.
    """
    out: list[bytes] = []
    for run in data.split(_DELIMITER):
        while len(run) >= _LONGEST_RUN:
            out += (b"\xff", run[:_LONGEST_RUN])
            run = run[_LONGEST_RUN:]
        out += (_CODES[len(run) + 1], run)
    return b"".join(out)


def unstuff(stuffed: bytes) -> bytes:
    """Return what `stuff` was given. Raises FrameError when nothing stuffs to `stuffed`."""
    if not stuffed or 0 in stuffed:
        raise FrameError(f"a COBS frame of {len(stuffed)} bytes is empty or holds a zero")
    out: list[bytes] = []
    at, length = 0, len(stuffed)
    while at < length:
        end = at + stuffed[at]
        out.append(stuffed[at + 1 : end])
        if stuffed[at] <= _LONGEST_RUN and end < length:
            out.append(_DELIMITER)
        at = end
    if at != length:
        raise FrameError(f"a COBS frame of {length} bytes ends {at - length} bytes too early")
    return b"".join(out)


def _decode_cobs(stuffed: bytes) -> bytes:
    checked = unstuff(stuffed)
    message, crc = checked[:-_CRC_BYTES], checked[-_CRC_BYTES:]
    if not message or crc16(message) != int.from_bytes(crc, "big"):
        raise FrameError(f"the CRC of a COBS frame of {len(stuffed)} bytes is wrong")
    return message


@dataclass(slots=True)
class _Lines:
    """Puts the lines of one console frame together."""

    content: bytearray | None = None
    expected: int = 0

    def add(self, line: bytes, max_message: int) -> bytes | None:
        """Take a line without its newline; return the message when it is complete."""
        part = binascii.a2b_base64(line[2:].rstrip(b"\r"), strict_mode=True)
        if line[:2] == _FIRST and len(part) >= _LENGTH_BYTES:
            self.expected = int.from_bytes(part[:_LENGTH_BYTES], "big")
            self.content = bytearray(part[_LENGTH_BYTES:])
        elif line[:2] == _FURTHER and self.content is not None:
            self.content += part
        else:
            raise FrameError("a console line without its beginning")
        if not _CRC_BYTES < self.expected <= max_message + _CRC_BYTES:
            raise FrameError(f"a console frame claims {self.expected} bytes, at most {max_message}")
        return self._complete() if len(self.content) >= self.expected else None

    def _complete(self) -> bytes:
        content, self.content = bytes(self.content or b""), None
        if len(content) != self.expected or crc16(content) != 0:
            raise FrameError(f"the CRC of a console frame of {len(content)} bytes is wrong")
        return content[:-_CRC_BYTES]


class FrameDecoder:
    """Turns the bytes of a line into messages; feed it as they come.

    Damaged frames, and text between frames, are dropped and counted; memory stays below twice
    `max_message_bytes` whatever arrives.
    """

    def __init__(self, max_message_bytes: int = MAX_MESSAGE_BYTES) -> None:
        self.damaged = 0
        """Frames that were begun and did not arrive intact."""
        self.noise_bytes = 0
        """Bytes outside any frame: log text, line noise."""
        self._max_message = max_message_bytes
        stuffed = max_message_bytes + _CRC_BYTES + max_message_bytes // 254 + 2
        self._longest_frame = max(stuffed, _LINE_BASE64 + 4)
        self._buffer = bytearray()
        self._lines = _Lines()
        self._skipping = False
        self._last_ns = 0

    def feed(self, data: bytes, now_ns: int) -> list[Received]:
        """Take bytes that arrived at `now_ns`; return the messages they completed, in order."""
        if now_ns - self._last_ns > GAP_NS:
            self._forget()
        self._last_ns = now_ns
        self._buffer += data
        found: list[Received] = []
        while self._buffer and self._step(found):
            pass
        return found

    def _forget(self) -> None:
        if self._buffer or self._lines.content is not None:
            self.damaged += 1
        self._buffer.clear()
        self._lines.content = None
        self._skipping = False

    def _step(self, found: list[Received]) -> bool:
        """Consume one frame, line or stretch of noise; return False when more bytes must come."""
        first = self._buffer[0]
        if self._skipping or first not in b"\x00\x01\x02\x04\x06\r\n":
            return self._skip_noise()
        if first in b"\x00\r\n":
            del self._buffer[0]
            return True
        if first in b"\x01\x02":
            return self._take(Framing.COBS, self._buffer.find(0), found)
        ends = [at for at in (self._buffer.find(b"\n"), self._buffer.find(0)) if at >= 0]
        return self._take(Framing.CONSOLE, min(ends, default=-1), found)

    def _skip_noise(self) -> bool:
        """Drop bytes up to where a frame can begin."""
        starts = (
            self._buffer.find(b"\n"),
            self._buffer.find(0),
            self._buffer.find(_FIRST),
        )
        at = min((start for start in starts if start >= 0), default=-1)
        self._skipping = at < 0
        drop = at if at >= 0 else len(self._buffer) - self._buffer.endswith(_FIRST[:1])
        self.noise_bytes += drop
        del self._buffer[:drop]
        return at >= 0

    def _take(self, framing: Framing, end: int, found: list[Received]) -> bool:
        """Take the frame or line that ends at `end`, or -1 while its end has not come."""
        if max(end, len(self._buffer) if end < 0 else 0) > self._longest_frame:
            self.damaged += 1
            self._skipping = True
            del self._buffer[0]  # or what follows would be taken for the same beginning again
            return True
        if end < 0:
            return False
        frame = bytes(self._buffer[:end])
        # A zero ends a console line too, but belongs to the frame that follows.
        del self._buffer[: end + 1]
        try:
            message = self._decode(framing, frame)
        except (FrameError, binascii.Error):
            self.damaged += 1
            self._lines.content = None
            return True
        if message is not None:
            found.append(Received(framing, message))
        return True

    def _decode(self, framing: Framing, frame: bytes) -> bytes | None:
        if framing is Framing.CONSOLE:
            return self._lines.add(frame, self._max_message)
        message = _decode_cobs(frame)
        if len(message) > self._max_message:
            raise FrameError(f"a message of {len(message)} bytes, at most {self._max_message}")
        return message
