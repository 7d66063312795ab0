"""The power samples in a log of `edge-infer power stream`: CSV, JSON lines, or a terminal's text.

A row is an entry of the device's log; those of kind power are samples. The columns are those of
`firmware_bridge/wire/log_text.py`. Of the meter behind it the log says nothing.
"""

import csv
import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from edge_infer.boards.power import PowerSample, SampleFlag

HEADING = "entry,kind,t_mono_ns,"
NUMBERS = ("seq", "t_mono_ns", "interval_ns", "bus_mv", "current_ua", "power_uw", "flags")
"""Columns of a sample, in the order of its fields."""


def is_stream(line: str) -> bool:
    """Return whether a file that begins with this line is such a log."""
    return line.startswith((HEADING, "{", "# edge-infer power log. "))


def sample_of(numbers: Sequence[int]) -> PowerSample:
    """Return the sample with these fields; flags that are not known here are dropped."""
    seq, timestamp_ns, interval_ns, bus_mv, current_ua, power_uw, flags = numbers
    known = SampleFlag(flags & sum(SampleFlag))
    return PowerSample(seq, timestamp_ns, interval_ns, bus_mv, current_ua, power_uw, known)


class StreamRows:
    """Makes samples of rows, one at a time, their times and numbers made to go on.

    Numbers begin anew where the meter was started anew. Where the device's agent was, times may
    too: the first sample then follows the last one at once, and the time between is not counted.
    """

    def __init__(self) -> None:
        self._columns: list[str] = []
        self._last: PowerSample | None = None
        self._boot: object = None
        self._shift_ns = self._shift_seq = 0
        self._booted = self._seen_boot = self._seen_host_time = False
        self.restarts = 0
        """How often the device's agent was started anew between two samples."""

    @property
    def origin(self) -> Literal["measured", "simulated", "unknown"]:
        """Where the samples are from: a simulated board's have no time of the host's."""
        if self._seen_host_time:
            return "measured"
        return "simulated" if self._seen_boot else "unknown"

    def sample(self, line: str) -> PowerSample | None:
        """Return the sample in a line, None where it holds none. Raises ValueError."""
        if not line or line.startswith("#"):
            return None
        if line.startswith(HEADING):
            self._columns = line.split(",")
            return None
        row = self._row(line)
        kind = row.get("kind")
        if kind == "boot":
            self._take_boot(row.get("value"))
        if kind != "power":
            return None
        self._seen_host_time |= row.get("t_host_ns") not in (None, "")
        values = [row.get(name, "") for name in NUMBERS]
        return self._going_on(sample_of([int(value) for value in values]))

    def _row(self, line: str) -> Mapping[str, Any]:
        if line.startswith("{"):
            row = json.loads(line)
            if "entry" not in row or "kind" not in row:
                raise ValueError("it is no line of power stream: it has no entry or kind")
            return dict(row)
        cells = next(csv.reader([line]))
        if len(cells) != len(self._columns):
            raise ValueError(f"it has {len(cells)} values, not {len(self._columns)}")
        return dict(zip(self._columns, cells, strict=True))

    def _take_boot(self, boot: object) -> None:
        self._booted |= self._seen_boot and (boot in (None, "") or boot != self._boot)
        self._boot, self._seen_boot = boot, True

    def _going_on(self, found: PowerSample) -> PowerSample:
        last = self._last
        if found.interval_ns <= 0:
            raise ValueError("the time does not go on")
        if last is not None and self._booted:
            self.restarts += 1
            self._shift_ns = last.timestamp_ns + found.interval_ns - found.timestamp_ns
        at_ns = found.timestamp_ns + self._shift_ns
        if last is not None and at_ns <= last.timestamp_ns:
            raise ValueError("the time does not go on")
        if last is not None and (self._booted or found.seq + self._shift_seq <= last.seq):
            self._shift_seq = last.seq + 1 - found.seq
        self._booted = False
        self._last = found._replace(seq=found.seq + self._shift_seq, timestamp_ns=at_ns)
        return self._last
