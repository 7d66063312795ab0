"""Power samples as CSV: written by `edge-infer power record`, summed up, or played as a meter.

The first line says where the samples come from: `# edge-infer power log, origin: measured, ...`.
"""

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, takewhile
from pathlib import Path
from typing import IO, Protocol, cast, get_args

from edge_infer.boards.errors import MeterError
from edge_infer.boards.power import MeterStatistics, Origin, PowerMeter, PowerSample, SampleFlag

TITLE = "# edge-infer power log"
COLUMNS = PowerSample._fields


@dataclass(frozen=True, slots=True)
class PowerLog:
    """A log: samples with what is known of the meter that took them."""

    origin: Origin
    gain_uncertainty_ppm: int
    offset_uncertainty_uw: int
    resolution_uw: int
    samples: tuple[PowerSample, ...]
    left_out: str | None = None
    """What of a cut file is not among them."""


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


def read_power_log(path: Path, *, up_to_cut: bool = False) -> PowerLog:
    """Return a log; with `up_to_cut` what stands before the first line that is wrong.

    Raises MeterError that names the file and the line that is wrong.
    """
    samples: list[PowerSample] = []
    left_out = None
    try:
        with path.open(newline="", encoding="utf-8", errors="replace") as file:
            heading = _heading(file.readline(), path)
            try:
                samples.extend(_samples(file, path))  # keeps those before an error
            except (MeterError, csv.Error) as error:
                if not (up_to_cut and samples):
                    raise
                left_out = f"what follows sample {samples[-1].seq}: {error}"
    except (OSError, csv.Error) as error:
        raise MeterError(f"cannot read the power log {path}: {error}") from error
    if not samples:
        raise MeterError(f"the power log {path} holds no samples")
    origin = heading["origin"]
    if origin not in get_args(Origin):
        raise MeterError(f"{path} line 1: origin {origin!r} is none of {get_args(Origin)}")
    numbers = ("gain_uncertainty_ppm", "offset_uncertainty_uw", "resolution_uw")
    try:
        gain_ppm, offset_uw, resolution_uw = (int(heading[name]) for name in numbers)
    except ValueError as error:
        raise MeterError(f"{path} line 1: {error}") from error
    known = cast(Origin, origin), gain_ppm, offset_uw, resolution_uw
    return PowerLog(*known, tuple(samples), left_out)


def _heading(line: str, path: Path) -> dict[str, str]:
    parts = (part.partition(": ") for part in line.split(",")[1:])
    words = {name.strip(): value.strip() for name, _, value in parts}
    known = {"origin", "gain_uncertainty_ppm", "offset_uncertainty_uw", "resolution_uw"}
    if not line.startswith(TITLE) or not known <= words.keys():
        raise MeterError(
            f"{path} line 1 is no heading of a power log: record one with power record"
        )
    return words


def _samples(file: IO[str], path: Path) -> Iterator[PowerSample]:
    rows = csv.reader(_whole_lines(file, path))
    if tuple(next(rows, ())) != COLUMNS:
        raise MeterError(f"{path} line 2: the columns must be {','.join(COLUMNS)}")
    last_ns = -1
    for number, row in enumerate(rows, 3):
        try:
            seq, timestamp_ns, interval_ns, bus_mv, current_ua, power_uw, flags = map(int, row)
        except ValueError as error:
            raise MeterError(f"{path} line {number}: {error}") from error
        if timestamp_ns <= last_ns or interval_ns <= 0:
            raise MeterError(f"{path} line {number}: the time does not go on")
        last_ns = timestamp_ns
        known = SampleFlag(flags & sum(SampleFlag))
        yield PowerSample(seq, timestamp_ns, interval_ns, bus_mv, current_ua, power_uw, known)


def _whole_lines(file: IO[str], path: Path) -> Iterator[str]:
    """Yield lines. Raises MeterError at one without an end: half a number looks like a number."""
    for number, line in enumerate(file, 2):
        if not line.endswith("\n"):
            raise MeterError(f"{path} line {number}: it is cut short, at {line[:40]!r}")
        yield line


class RecordedMeter:
    """A log played again as a meter, from the moment of `start` on, its times shifted.

    Fulfils `PowerMeter`.

    Args:
        log: the log.
        now_ns: the time to play it in; the log's first conversion begins at `start`.
    """

    def __init__(self, log: PowerLog, now_ns: Callable[[], int]) -> None:
        self.origin: Origin = log.origin
        self.gain_uncertainty_ppm = log.gain_uncertainty_ppm
        self.offset_uncertainty_uw = log.offset_uncertainty_uw
        self.resolution_uw = log.resolution_uw
        self._samples = log.samples
        self._now_ns = now_ns
        self._next = self._shift_ns = 0

    def start(self) -> None:
        """Begin to play."""
        first = self._samples[0]
        self._shift_ns = self._now_ns() - (first.timestamp_ns - first.interval_ns)
        self._next = 0

    def drain(self, until_ns: int) -> Sequence[PowerSample]:
        """Return the samples that ended by `until_ns` and were not yet returned."""
        shift_ns = self._shift_ns
        waiting = (
            s._replace(timestamp_ns=s.timestamp_ns + shift_ns) for s in self._samples[self._next :]
        )
        due = list(takewhile(lambda sample: sample.timestamp_ns <= until_ns, waiting))
        self._next += len(due)
        return due

    def statistics(self) -> MeterStatistics:
        """Return the counts of what was played; a log does not tell the time on the bus."""
        played = self._samples[: self._next]
        lost = played[-1].seq - played[0].seq + 1 - len(played) if played else 0
        saturated = sum(bool(sample.flags & SampleFlag.SATURATED) for sample in played)
        return MeterStatistics(samples=len(played), lost=lost, saturated=saturated)

    def stop(self) -> None:
        """Nothing to free."""


@dataclass(frozen=True, slots=True)
class PowerSummary:
    """What a stretch of samples amounts to: energy, mean, extremes, what was lost.

    Energy is the trapezoid rule over the midpoints of the conversions, on monotonic time, from the
    first midpoint to the last; across a gap the line between its two ends counts.
    """

    samples: int
    lost: int
    saturated: int
    throttled: int
    duration_ns: int
    energy_nj: int
    least_uw: int
    greatest_uw: int
    longest_gap_ns: int
    """Longest time between two samples' midpoints."""

    @property
    def mean_uw(self) -> int:
        """Mean power over the time."""
        return self.energy_nj * 1_000_000 // self.duration_ns

    @property
    def rate_hz(self) -> float:
        """Samples a second."""
        return (self.samples - 1) * 1e9 / self.duration_ns


def summarise(samples: Sequence[PowerSample]) -> PowerSummary:
    """Return the figures of samples in time order. Raises MeterError for fewer than two."""
    if len(samples) < 2:
        raise MeterError(f"{len(samples)} samples make no summary; record for longer")
    # uW * ns is fJ; twice that, since both ends of a trapezoid count half.
    twice_fj = longest_ns = 0
    for before, after in pairwise(samples):
        step_ns = _midpoint_ns(after) - _midpoint_ns(before)
        twice_fj += (before.power_uw + after.power_uw) * step_ns
        longest_ns = max(longest_ns, step_ns)
    powers = [sample.power_uw for sample in samples]
    return PowerSummary(
        samples=len(samples),
        lost=samples[-1].seq - samples[0].seq + 1 - len(samples),
        saturated=sum(bool(sample.flags & SampleFlag.SATURATED) for sample in samples),
        throttled=sum(bool(sample.flags & SampleFlag.THROTTLED) for sample in samples),
        duration_ns=max(1, _midpoint_ns(samples[-1]) - _midpoint_ns(samples[0])),
        energy_nj=twice_fj // 2_000_000,
        least_uw=min(powers),
        greatest_uw=max(powers),
        longest_gap_ns=longest_ns,
    )


def _midpoint_ns(sample: PowerSample) -> int:
    return sample.timestamp_ns - sample.interval_ns // 2
