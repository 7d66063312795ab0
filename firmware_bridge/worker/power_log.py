"""The device's log of power, clock, temperature, throttling and inferences, in one order.

A ring buffer: every entry has a sequence number, the oldest make room for the newest, and a
reader that names the number it wants learns exactly how many it is too late for.

Numbers begin anew with each start of the agent, a boot. How far those before came is kept in a
file, so that what a killed agent took with it is counted too.
"""

import contextlib
import os
import secrets
import struct
import zlib
from collections import deque
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from edge_infer.files import write_whole
from edge_infer.firmware_bridge.wire.log_batch import LogEntry


class LogSlice(NamedTuple):
    """Consecutive entries of a log."""

    first: int
    """Sequence number of the first entry; above the one asked for when that was overwritten."""
    entries: list[LogEntry]
    end: int
    """Sequence number the log will give to its next entry."""


class BootHistory:
    """How many entries each of the last boots logged, in a file that outlives a killed agent.

    A power cut may cost what was written in the last seconds. Where the file cannot be kept,
    nothing is known of earlier boots, and no more happens.

    Args:
        path: of the file; None to keep none.
    """

    KEPT = 8
    _PAIR = struct.Struct("<QQ")
    _CHECK = struct.Struct("<I")

    def __init__(self, path: Path | None = None) -> None:
        self.boot = secrets.randbits(48)
        self.before: tuple[tuple[int, int], ...] = ()
        """Boot and number of its entries, oldest first."""
        self._descriptor = -1
        if path is not None:
            with contextlib.suppress(OSError):
                self._open(path)

    def note_end(self, end: int) -> None:
        """Keep that this boot has logged `end` entries."""
        if self._descriptor >= 0:
            with contextlib.suppress(OSError):
                os.pwrite(self._descriptor, self._row(self.boot, end), self._at)

    def close(self) -> None:
        """Close the file. May be called twice."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1

    def _open(self, path: Path) -> None:
        size = self._PAIR.size + self._CHECK.size
        with contextlib.suppress(FileNotFoundError):
            with path.open("rb") as file:
                data = file.read(self.KEPT * size)
            rows = [self._read_row(data[at : at + size]) for at in range(0, len(data), size)]
            self.before = tuple(row for row in rows if row is not None)[1 - self.KEPT :]
        self._at = len(self.before) * size
        rows_now = [self._row(*pair) for pair in (*self.before, (self.boot, 0))]
        write_whole(path, b"".join(rows_now), mode=0o600)
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)

    def _row(self, boot: int, end: int) -> bytes:
        pair = self._PAIR.pack(boot, end)
        return pair + self._CHECK.pack(zlib.crc32(pair))

    def _read_row(self, row: bytes) -> tuple[int, int] | None:
        pair, check = row[: self._PAIR.size], row[self._PAIR.size :]
        if len(check) != self._CHECK.size or self._CHECK.unpack(check)[0] != zlib.crc32(pair):
            return None
        boot, end = self._PAIR.unpack(pair)
        return boot, end


class PowerLog:
    """The ring buffer.

    Args:
        capacity: entries it holds; at the INA219's 12-bit rate (532 us, datasheet table 5) and
            two bus writes a sample about 940 a second arrive, so the default holds a minute.
        history: keeps how far this boot and those before came.
    """

    def __init__(self, capacity: int = 1 << 16, history: BootHistory | None = None) -> None:
        self._entries: deque[LogEntry] = deque(maxlen=capacity)
        self.history = history or BootHistory()
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

    def extend(self, entries: Sequence[LogEntry]) -> None:
        """Append entries that came together."""
        self.history.note_end(self.end + len(entries))
        for entry in entries:
            self.add(entry)

    def read(self, start: int, count: int) -> LogSlice:
        """Return up to `count` entries from sequence number `start` on, or from the oldest."""
        first = min(max(start, self.first), self.end)
        skip = first - self.first
        if skip < len(self._entries) // 2:
            return LogSlice(first, list(islice(self._entries, skip, skip + count)), self.end)
        # A deque is reached from its nearer end; a reader that keeps up reads near the new one.
        newest = islice(reversed(self._entries), self.end - first)
        return LogSlice(first, list(newest)[::-1][:count], self.end)
