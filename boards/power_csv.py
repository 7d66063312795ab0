"""Power samples as CSV: written by `edge-infer power record`, read, or played as a meter.

The first line says where the samples come from: `# edge-infer power log, origin: measured, ...`.
"""

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, takewhile
from pathlib import Path
from typing import IO, Literal, Protocol, cast, get_args

from edge_infer.boards.errors import MeterError, TraceError
from edge_infer.boards.power import MeterStatistics, Origin, PowerMeter, PowerSample, SampleFlag
from edge_infer.boards.stream_log import StreamRows, is_stream, sample_of

TITLE = "# edge-infer power log"
COLUMNS = PowerSample._fields


@dataclass(frozen=True, slots=True)
class PowerLog:
    """A log: samples with what is known of the meter that took them."""

    origin: Origin | Literal["unknown"]
    gain_uncertainty_ppm: int
    offset_uncertainty_uw: int
    resolution_uw: int
    samples: tuple[PowerSample, ...]
    left_out: str | None = None
    """What of a cut file is not among them."""
    bounds_stated: bool = True
    """Whether the log says how far off the meter may be; without, the three bounds are 0."""
    restarts: int = 0
    """How often the device was started anew; the time between is not counted."""


class Rows(Protocol):
    """Where rows go."""

    def write(self, rows: str, /) -> int:
        """Take whole rows."""
        ...


class PowerCsvWriter:
    """Writes samples of `meter` to a file, the heading first."""

    def __init__(self, file: Rows, meter: PowerMeter) -> None:
        file.write(
            f"{TITLE}, origin: {meter.origin}, gain_uncertainty_ppm: {meter.gain_uncertainty_ppm}, "
            f"offset_uncertainty_uw: {meter.offset_uncertainty_uw}, "
            f"resolution_uw: {meter.resolution_uw}\n"
        )
        self._writer = csv.writer(file, lineterminator="\n")
        self._writer.writerow(COLUMNS)

    def write(self, samples: Iterable[PowerSample]) -> None:
        """Append samples."""
        self._writer.writerows((*sample[:-1], int(sample.flags)) for sample in samples)


def is_power_log(path: Path) -> bool:
    """Return whether a file begins as a log of this project does.

    Raises:
        OSError: it cannot be read.
        TraceError: it is packed.
    """
    if path.is_dir():
        return False
    with path.open("rb") as file:
        content = file.readline(4096)
    _refuse_packed(content, path)
    first = _text(content)
    return first.startswith(TITLE) or is_stream(first)


def read_power_log(path: Path, *, up_to_cut: bool = False) -> PowerLog:
    """Return the log of `power record` or of `power stream`, whichever form it has.

    Args:
        path: the file.
        up_to_cut: leave out lines that are wrong (a power loss leaves half a line, or zeros), and
            say how many.

    Raises:
        MeterError: it cannot be read, holds no sample, or has a wrong line, which is named.
    """
    try:
        with path.open("rb") as file:
            first = file.readline()
            _refuse_packed(first, path)
            text = _text(first).rstrip("\r\n")
            file.seek(0 if is_stream(text) else len(first))
            if is_stream(text):
                return _stream(_Lines(file, path, 1, up_to_cut))
            return _recorded(_Lines(file, path, 2, up_to_cut), _heading(text, path), path)
    except OSError as error:
        raise MeterError(f"cannot read the power log {path}: {error}") from error


def _refuse_packed(content: bytes, path: Path) -> None:
    if content.startswith(b"\x1f\x8b"):
        raise TraceError(f"{path} is packed with gzip: unpack it first, gunzip -k {path}")


def _recorded(lines: "_Lines", heading: Mapping[str, str], path: Path) -> PowerLog:
    if tuple(lines.next_text().split(",")) != COLUMNS:
        raise MeterError(f"{path} line 2: the columns must be {','.join(COLUMNS)}")
    samples = lines.samples(_Rows().sample)
    origin = heading["origin"]
    if origin not in get_args(Origin):
        raise MeterError(f"{path} line 1: origin {origin!r} is none of {get_args(Origin)}")
    numbers = ("gain_uncertainty_ppm", "offset_uncertainty_uw", "resolution_uw")
    try:
        gain_ppm, offset_uw, resolution_uw = (int(heading[name]) for name in numbers)
    except ValueError as error:
        raise MeterError(f"{path} line 1: {error}") from error
    known = cast(Origin, origin), gain_ppm, offset_uw, resolution_uw
    return PowerLog(*known, samples, lines.left_out)


def _stream(lines: "_Lines") -> PowerLog:
    rows = StreamRows()
    samples = lines.samples(rows.sample)
    return PowerLog(rows.origin, 0, 0, 0, samples, lines.left_out, False, rows.restarts)


def _heading(line: str, path: Path) -> dict[str, str]:
    parts = (part.partition(": ") for part in line.split(",")[1:])
    words = {name.strip(): value.strip() for name, _, value in parts}
    known = {"origin", "gain_uncertainty_ppm", "offset_uncertainty_uw", "resolution_uw"}
    if not line.startswith(TITLE) or not known <= words.keys():
        raise MeterError(
            f"{path} line 1 is no heading of a power log: record one with power record, or with "
            "power stream"
        )
    return words


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace").removeprefix("\ufeff")


class _Rows:
    """Makes samples of the rows of `power record`."""

    def __init__(self) -> None:
        self._last_ns = -1

    def sample(self, line: str) -> PowerSample:
        """Return the sample in a row. Raises ValueError."""
        numbers = [int(cell) for cell in line.split(",")]
        if len(numbers) != len(COLUMNS):
            raise ValueError(f"it has {len(numbers)} values, not {len(COLUMNS)}")
        found = sample_of(numbers)
        if found.timestamp_ns <= self._last_ns or found.interval_ns <= 0:
            raise ValueError("the time does not go on")
        self._last_ns = found.timestamp_ns
        return found


class _Lines:
    """The lines of a log, those that are wrong refused, or left out and counted.

    Args:
        file: where they are.
        path: its name.
        number: of the first line that is read.
        up_to_cut: whether wrong lines are left out.
    """

    def __init__(self, file: IO[bytes], path: Path, number: int, up_to_cut: bool) -> None:
        self._file, self._path, self._number, self._up_to_cut = file, path, number, up_to_cut
        self._count = self._bytes = 0
        self._reason = ""

    @property
    def left_out(self) -> str | None:
        """What was left out, and why the first line of it was; None if nothing was."""
        if not self._count:
            return None
        lines = "1 line" if self._count == 1 else f"{self._count} lines"
        return f"{lines}, {self._bytes} bytes; {self._reason}"

    def next_text(self) -> str:
        """Return the next line, whatever it holds."""
        self._number += 1
        return _text(self._file.readline()).rstrip("\r\n")

    def samples(self, read: Callable[[str], PowerSample | None]) -> tuple[PowerSample, ...]:
        """Return the samples of all lines. Raises MeterError."""
        found = []
        for number, line in enumerate(self._file, self._number):
            try:
                sample = read(_whole(line))
            except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
                self._leave_out(number, line, error)
                continue
            if sample is not None:
                found.append(sample)
        if not found:
            reason = f": {self._reason}" if self._reason else ""
            raise MeterError(f"the power log {self._path} holds no samples{reason}")
        return tuple(found)

    def _leave_out(self, number: int, line: bytes, error: Exception) -> None:
        reason = f"line {number}: {error}"
        if not self._up_to_cut:
            raise MeterError(f"{self._path} {reason}; power report reads what is whole") from error
        self._reason = self._reason or reason
        self._count += 1
        self._bytes += len(line)


def _whole(line: bytes) -> str:
    """Return a line's text. Raises ValueError without its end: half a number looks like one."""
    text = _text(line)
    if not text.endswith("\n"):
        raise ValueError(f"it is cut short, at {text[:40]!r}")
    return text.rstrip("\r\n")


class RecordedMeter:
    """A log played again as a meter, from the moment of `start` on, its times shifted.

    Fulfils `PowerMeter`.

    Args:
        log: the log.
        now_ns: the time to play it in; the log's first conversion begins at `start`.
    """

    def __init__(self, log: PowerLog, now_ns: Callable[[], int]) -> None:
        # A log that does not say so may be of anything.
        self.origin: Origin = "mixed" if log.origin == "unknown" else log.origin
        self.gain_uncertainty_ppm = log.gain_uncertainty_ppm
        self.offset_uncertainty_uw = log.offset_uncertainty_uw
        self.resolution_uw = log.resolution_uw
        self.bounds_stated = log.bounds_stated
        """Whether the log says how far off the meter may be."""
        self._samples = log.samples
        self._now_ns = now_ns
        self._next = self._shift_ns = 0

    def start(self) -> None:
        """Begin to play."""
        first = self._samples[0]
        self._shift_ns = self._now_ns() - (first.timestamp_ns - first.interval_ns)
        self._next = 0

    @property
    def end_ns(self) -> int:
        """When the last sample is played."""
        return self._samples[-1].timestamp_ns + self._shift_ns

    def drain(self, until_ns: int) -> Sequence[PowerSample]:
        """Return the samples that ended by `until_ns` and were not yet returned."""
        shift_ns = self._shift_ns
        rest = islice(self._samples, self._next, None)
        waiting = (s._replace(timestamp_ns=s.timestamp_ns + shift_ns) for s in rest)
        due = list(takewhile(lambda sample: sample.timestamp_ns <= until_ns, waiting))
        self._next += len(due)
        return due

    def statistics(self) -> MeterStatistics:
        """Return the counts of what was played; a log does not tell the time on the bus."""
        played = self._samples[: self._next]
        lost = played[-1].seq - played[0].seq + 1 - len(played) if played else 0
        saturated, bus = (
            sum(flag in sample.flags for sample in played)
            for flag in (SampleFlag.SATURATED, SampleFlag.BUS_RANGE)
        )
        return MeterStatistics(len(played), lost, saturated, bus)

    def stop(self) -> None:
        """Nothing to free."""
