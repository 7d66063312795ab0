"""Integers in as few bytes as they need: LEB128, with zigzag for signed ones.

Protocol Buffers documentation, "Encoding", sections "Base 128 Varints" and "Signed Integers".
"""

from edge_infer.firmware_bridge.errors import FrameError

_MAX_SHIFT = 63


def put(out: bytearray, value: int) -> None:
    """Append the integer 0 <= `value` < 2**64."""
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)


def put_signed(out: bytearray, value: int) -> None:
    """Append a signed integer; small magnitudes are short."""
    put(out, value << 1 if value >= 0 else (-value << 1) - 1)


class Reader:
    """Reads what `put` and `put_signed` wrote. Raises FrameError at a cut or overlong number."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def empty(self) -> bool:
        """True when everything was read."""
        return self._at >= len(self._data)

    def take(self) -> int:
        """Return the next unsigned integer."""
        value = shift = 0
        while True:
            if self.empty or shift > _MAX_SHIFT:
                raise FrameError(f"a number is cut short or too long at byte {self._at}")
            byte = self._data[self._at]
            self._at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def take_signed(self) -> int:
        """Return the next signed integer."""
        value = self.take()
        return value >> 1 if value & 1 == 0 else -((value + 1) >> 1)
