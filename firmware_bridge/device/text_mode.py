"""The power log as plain text on the line, for a person with any terminal program."""

from collections.abc import Sequence

from edge_infer.firmware_bridge.device.device import Device
from edge_infer.firmware_bridge.wire.log_text import CSV_HEADER, csv_line, entry_fields, gap_fields

_MAX_LINES = 200
"""Said at once; the rest comes with the next poll."""
_POLL_NS = 100_000_000
_HELP = "# edge-infer power log. q: quiet, any other key: go on\r\n"


class TextMode:
    """Fulfils LineProtocol: says every new log entry as a line of CSV until told to be quiet."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._next = device.log.end
        self._listening = False

    def line_up(self, now_ns: int) -> bytes:
        """See LineProtocol."""
        self._listening = True
        self._next = self._device.log.end
        return (_HELP + CSV_HEADER + "\r\n").encode()

    def line_lost(self) -> None:
        """See LineProtocol."""
        self._listening = False

    def feed(self, data: bytes, now_ns: int) -> bytes:
        """See LineProtocol."""
        self._listening = data[-1:] not in (b"q", b"\x03")
        return b"" if self._listening else b"# quiet\r\n"

    def poll(self, now_ns: int) -> bytes:
        """See LineProtocol."""
        self._device.poll(now_ns)
        if not self._listening:
            self._next = self._device.log.end
            return b""
        part = self._device.log.read(self._next, _MAX_LINES)
        lost = part.first - self._next
        lines = [csv_line(gap_fields(part.first, lost))] if lost else []
        for number, entry in enumerate(part.entries, part.first):
            lines.append(csv_line(entry_fields(number, entry)))
        self._next = part.first + len(part.entries)
        return "".join(line + "\r\n" for line in lines).encode()

    def wait_ns(self, now_ns: int) -> int:
        """See LineProtocol."""
        behind = self._listening and self._next < self._device.log.end
        return 0 if behind else min(_POLL_NS, self._device.wait_ns(now_ns))

    def descriptors(self) -> Sequence[int]:
        """See LineProtocol."""
        return self._device.descriptors()
