"""Writes a device's power log as lines, its gaps and starts among them."""

from collections.abc import Callable
from typing import Protocol

from edge_infer.firmware_bridge.host.clock_sync import ClockFit
from edge_infer.firmware_bridge.host.flashing import edge_info
from edge_infer.firmware_bridge.host.link import Link
from edge_infer.firmware_bridge.host.log_reader import Boot, LogPart, LogReader
from edge_infer.firmware_bridge.wire.log_text import (
    boot_fields,
    csv_line,
    entry_fields,
    gap_fields,
    json_line,
)


class Lines(Protocol):
    """Where lines of a log go."""

    as_objects: bool
    """JSON, not CSV."""

    def write(self, text: str) -> object:
        """Take whole lines."""
        ...


class LogWriter:
    """Reads on and writes what came.

    Args:
        link: to the device.
        reader: of its log, over that link.
        lines: where to write.
        warn: called with what was lost, and with a new start of the device.
    """

    def __init__(
        self, link: Link, reader: LogReader, lines: Lines, warn: Callable[[str], None]
    ) -> None:
        self._link, self._reader, self._lines, self._warn = link, reader, lines, warn
        self.virtual_time: bool | None = None
        """True where the log's times are virtual: no clock of this computer maps to them."""

    def step(self) -> None:
        """Read the next entries and write them. Raises as `LogReader.read`; OSError."""
        part = self._reader.read()
        if part.boot is not None:
            self.virtual_time = None
        if part.entries and self.virtual_time is None:
            self.virtual_time = self._reader.outlast(self._is_simulated)
        self._write(part, self._reader.clock() if self.virtual_time is False else None)

    def _is_simulated(self) -> bool | None:
        """Return None while the device does not know what runs."""
        info = edge_info(self._link)
        if info is None:
            return False
        return info.run.simulated if info.run else None

    def _write(self, part: LogPart, clock: ClockFit | None) -> None:
        """Write a part, its gaps first, at once: it is whole or it is not there."""
        line = json_line if self._lines.as_objects else csv_line
        rows = self._boot_rows(part.boot) if part.boot is not None else []
        if part.lost:
            self._warn(
                f"{part.lost} entries before number {part.first} were overwritten on the device"
            )
            rows.append(gap_fields(part.first, part.lost))
        for number, entry in enumerate(part.entries, part.first):
            host_ns = clock.to_host_ns(entry.timestamp_ns) if clock else None
            rows.append(entry_fields(number, entry, host_ns))
        if rows:
            self._lines.write("".join(line(fields) + "\n" for fields in rows))

    def _boot_rows(self, boot: Boot) -> list[dict[str, object]]:
        rows = [boot_fields(boot.base, boot.number)]
        if boot.base or boot.lost:
            least = "" if boot.exact else "at least "
            self._warn(
                f"the device was started anew: {least}{boot.lost} entries before that were not "
                f"read; its entry 0 is number {boot.base} here"
            )
        if boot.lost:
            rows.insert(0, gap_fields(boot.base, boot.lost))
        return rows
