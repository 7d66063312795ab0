"""The device's log of power, clock, temperature, throttling and inferences, in one order.

A ring buffer: every entry has a sequence number, the oldest make room for the newest, and a
reader that names the number it wants learns exactly how many it is too late for.
"""

from collections import deque
from itertools import islice
from typing import NamedTuple

from edge_infer.firmware_bridge.wire.log_batch import LogEntry


class LogSlice(NamedTuple):
    """Consecutive entries of a log."""

    first: int
    """Sequence number of the first entry; above the one asked for when that was overwritten."""
    entries: list[LogEntry]
    end: int
    """Sequence number the log will give to its next entry."""


class PowerLog:
    """The ring buffer.

    Args:
        capacity: entries it holds; at the INA219's 12-bit rate (532 us, datasheet table 5) and
            two bus writes a sample about 940 a second arrive, so the default holds a minute.
    """

    def __init__(self, capacity: int = 1 << 16) -> None:
        self._entries: deque[LogEntry] = deque(maxlen=capacity)
        self.end = 0
        """Sequence number of the next entry: how many were ever added."""

    @property
    def first(self) -> int:
        """Sequence number of the oldest entry that is still there."""
        return self.end - len(self._entries)

    def add(self, entry: LogEntry) -> None:
        """Append an entry; the oldest goes when the log is full."""
        self._entries.append(entry)
        self.end += 1

    def read(self, start: int, count: int) -> LogSlice:
        """Return up to `count` entries from sequence number `start` on, or from the oldest."""
        first = min(max(start, self.first), self.end)
        skip = first - self.first
        if skip < len(self._entries) // 2:
            return LogSlice(first, list(islice(self._entries, skip, skip + count)), self.end)
        # A deque is reached from its nearer end; a reader that keeps up reads near the new one.
        newest = islice(reversed(self._entries), self.end - first)
        return LogSlice(first, list(newest)[::-1][:count], self.end)
