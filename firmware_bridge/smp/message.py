"""Simple Management Protocol: the 8-byte header, CBOR bodies, both kinds of refusal.

Zephyr documentation, "SMP Protocol Specification". Fields are big endian: operation and version,
flags, length, group, sequence, command.
"""

import struct
from dataclasses import dataclass, field

from edge_infer.firmware_bridge.errors import FrameError
from edge_infer.firmware_bridge.smp import cbor
from edge_infer.firmware_bridge.wire.command import Body, GroupError, Op, Refusal

_HEADER = struct.Struct("!BBHHBB")
HEADER_BYTES = _HEADER.size
assert HEADER_BYTES == 8


@dataclass(frozen=True, slots=True)
class Header:
    """The first eight bytes of a message."""

    op: Op
    group: int
    command: int
    sequence: int
    length: int = 0
    """Bytes of the body."""
    version: int = 1
    """0 for the first protocol, 1 for the second."""

    def pack(self) -> bytes:
        """Return the eight bytes."""
        first = self.op | self.version << 3
        return _HEADER.pack(first, 0, self.length, self.group, self.sequence, self.command)

    @classmethod
    def unpack(cls, message: bytes) -> "Header":
        """Read the header of a whole message. Raises FrameError when it cannot be one."""
        if len(message) < HEADER_BYTES:
            raise FrameError(f"an SMP message of {len(message)} bytes, at least {HEADER_BYTES}")
        first, _, length, group, sequence, command = _HEADER.unpack_from(message)
        if first & 0b111 > Op.WRITE_RESPONSE or first >> 3 & 0b11 > 1:
            raise FrameError(f"an SMP message of unknown operation or version {first:#04x}")
        if length != len(message) - HEADER_BYTES:
            raise FrameError(f"an SMP body of {len(message) - HEADER_BYTES} bytes claims {length}")
        return cls(Op(first & 0b111), group, command, sequence, length, first >> 3 & 0b11)

    def answer(self) -> "Header":
        """Return the header of the response to this request."""
        op = Op.READ_RESPONSE if self.op is Op.READ else Op.WRITE_RESPONSE
        return Header(op, self.group, self.command, self.sequence, version=self.version)


@dataclass(frozen=True, slots=True)
class Message:
    """A header with its body; the header's length is set when it is packed."""

    header: Header
    body: Body = field(default_factory=dict)

    def pack(self) -> bytes:
        """Return the bytes of the message, without any framing."""
        content = cbor.encode(self.body)
        head = self.header
        return (
            Header(
                head.op, head.group, head.command, head.sequence, len(content), head.version
            ).pack()
            + content
        )

    @classmethod
    def unpack(cls, message: bytes) -> "Message":
        """Read a message. Raises FrameError with what is wrong with it."""
        return cls(Header.unpack(message), read_body(message))


def read_body(message: bytes) -> Body:
    """Return the CBOR map behind the header. Raises FrameError when there is none."""
    return cbor.decode(message[HEADER_BYTES:])


def error_body(version: int, group: int, code: int, reason: str) -> Body:
    """Return the body of a refusal.

    Version 1 has one list of codes for all groups and room for the reason. Version 2 names the
    group and has no room: the reason is read with our own group's REASON command.
    """
    if version == 0:
        return Refusal(code, reason).pack()
    return Refusal(error=GroupError(group, code)).pack()


def refused(body: Body) -> tuple[int | None, int] | None:
    """Return (group or None, code) when a response body is a refusal, else None."""
    refusal = Refusal.unpack(body)
    if refusal.error is not None:
        return refusal.error.group, refusal.error.code
    return (None, refusal.code) if refusal.code else None
