"""When frames arrive: as soon as the last is done, or at a steady rate."""

import csv
import random
from collections.abc import Iterator, Sequence
from itertools import count, pairwise
from pathlib import Path
from typing import Protocol

from edge_infer.runtime.errors import InputError, RunError, SourceMissingError


class Arrivals(Protocol):
    """Gives arrival times."""

    paced: bool
    """False when the next frame arrives as soon as it can be taken up."""
    rate_hz: float
    """Mean rate in frames per second; 0 where it is that of the runtime."""

    def times_ns(self, start_ns: int) -> Iterator[int]:
        """Yield arrival times from `start_ns` on, never going backwards."""
        ...


class BackToBack:
    """A frame arrives whenever the runtime is free."""

    paced = False
    rate_hz = 0.0

    def times_ns(self, start_ns: int) -> Iterator[int]:
        """Yield `start_ns` for ever: always due."""
        while True:
            yield start_ns


class Periodic:
    """A frame every 1 / `rate_hz` seconds."""

    paced = True

    def __init__(self, rate_hz: float) -> None:
        """Take the rate in frames per second. Raises RunError for one that cannot be kept."""
        if not 0.001 <= rate_hz <= 1e6:
            raise RunError(f"a rate of {rate_hz:g} frames/s cannot be kept; give 0.001 to 1e6")
        self.rate_hz = rate_hz

    def times_ns(self, start_ns: int) -> Iterator[int]:
        """Yield times that do not drift: each is computed from the start."""
        for number in count():
            yield start_ns + round(number * 1e9 / self.rate_hz)


WORKLOADS = ("back-to-back", "periodic", "poisson", "bursty", "trace:FILE")

_LATEST_S = 1e9
"""Of a trace: 30 years."""
BURST_FRAMES = 8
"""Mean number of frames in a burst."""
BURST_RATIO = 4.0
"""How much faster than the mean rate the frames of a burst follow each other."""


class WorkloadError(InputError):
    """A workload is unknown or its file cannot be used."""


class Poisson:
    """Independent arrivals: exponential gaps with a mean of 1 / `rate_hz`."""

    paced = True

    def __init__(self, rate_hz: float, seed: int = 0) -> None:
        self.rate_hz = Periodic(rate_hz).rate_hz
        self._seed = seed

    def times_ns(self, start_ns: int) -> Iterator[int]:
        """Yield the same arrival times for the same seed."""
        draw, at_ns = random.Random(self._seed), float(start_ns)
        while True:
            yield round(at_ns)
            at_ns += draw.expovariate(self.rate_hz) * 1e9


class Bursty:
    """Bursts and pauses.

    Geometric bursts of `BURST_FRAMES` frames on average at `BURST_RATIO` times the mean rate, then
    an exponential pause that keeps the mean rate (an interrupted Poisson process: Kuczura, Bell
    System Technical Journal 52, 1973).
    """

    paced = True

    def __init__(self, rate_hz: float, seed: int = 0) -> None:
        self.rate_hz = Periodic(rate_hz).rate_hz
        self._seed = seed

    def times_ns(self, start_ns: int) -> Iterator[int]:
        """Yield the same arrival times for the same seed."""
        draw, at_ns = random.Random(self._seed), float(start_ns)
        mean_ns = 1e9 / self.rate_hz
        inside_ns = mean_ns / BURST_RATIO
        # One gap in BURST_FRAMES is a pause; together they have the mean.
        pause_ns = BURST_FRAMES * mean_ns - (BURST_FRAMES - 1) * inside_ns
        while True:
            yield round(at_ns)
            pauses = draw.random() < 1 / BURST_FRAMES
            at_ns += draw.expovariate(1) * (pause_ns if pauses else inside_ns)


class TraceArrivals:
    """Arrival times that were recorded, repeated end to end for ever.

    Args:
        times_ns: never going backwards, two or more, not all the same.
    """

    paced = True

    def __init__(self, times_ns: Sequence[int]) -> None:
        self._times_ns = tuple(t - times_ns[0] for t in times_ns)
        span_ns = self._times_ns[-1]
        self._period_ns = span_ns * len(times_ns) // (len(times_ns) - 1)
        self.rate_hz = (len(times_ns) - 1) * 1e9 / span_ns

    def times_ns(self, start_ns: int) -> Iterator[int]:
        """Yield the recorded times from `start_ns` on."""
        base_ns = start_ns
        while True:
            for at_ns in self._times_ns:
                yield base_ns + at_ns
            base_ns += self._period_ns


def read_trace(path: Path) -> TraceArrivals:
    """Return the workload in a CSV file: arrival times in seconds in its first column.

    A heading is skipped; further columns are not read.

    Raises:
        SourceMissingError: there is no such file.
        WorkloadError: a line is no number, times go backwards, or fewer than two differ.
    """
    try:
        rows = list(csv.reader(path.read_text(encoding="utf-8").splitlines()))
    except FileNotFoundError:
        raise SourceMissingError(f"{path}: no such workload file") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise WorkloadError(f"{path}: cannot be read as CSV: {error}") from error
    times_ns = [_time_ns(path, number, row) for number, row in enumerate(rows, 1) if row]
    if times_ns and times_ns[0] is None:
        times_ns = times_ns[1:]
    known = [time_ns for time_ns in times_ns if time_ns is not None]
    if len(known) < len(times_ns):
        raise WorkloadError(f"{path}: a line below the heading holds no time in seconds")
    for number, (before_ns, after_ns) in enumerate(pairwise(known), 2):
        if after_ns < before_ns:
            raise WorkloadError(
                f"{path}: arrival {number} at {after_ns / 1e9:g} s is earlier than the one before "
                f"it at {before_ns / 1e9:g} s: sort the file by time"
            )
    if len(known) < 2 or known[0] == known[-1]:
        raise WorkloadError(f"{path}: holds fewer than two arrival times that differ")
    return TraceArrivals(known)


def _time_ns(path: Path, number: int, row: Sequence[str]) -> int | None:
    try:
        time_s = float(row[0])
        if abs(time_s) > _LATEST_S:
            raise WorkloadError(f"{path}: line {number}: {row[0]} s is no time of arrival")
        return round(time_s * 1e9)
    except (ValueError, OverflowError):
        if number == 1:
            return None
        raise WorkloadError(f"{path}: line {number}: {row[0]!r} is no time in seconds") from None


def open_workload(name: str, rate_hz: float, seed: int = 0) -> Arrivals:
    """Return a workload by name.

    Args:
        name: one of `WORKLOADS`.
        rate_hz: mean rate in frames per second; not used by back-to-back and by a trace.
        seed: of the random ones.

    Raises:
        WorkloadError: the name is unknown, or the trace cannot be used.
        RunError: the rate cannot be kept.
    """
    if name.startswith("trace:"):
        return read_trace(Path(name.removeprefix("trace:")))
    if name == "back-to-back":
        return BackToBack()
    if name == "periodic":
        return Periodic(rate_hz)
    if name == "poisson":
        return Poisson(rate_hz, seed)
    if name == "bursty":
        return Bursty(rate_hz, seed)
    raise WorkloadError(f"unknown workload {name!r}; there are: {', '.join(WORKLOADS)}")


def typical_gaps_ns(arrivals: Arrivals, count: int = 2048, quantiles: int = 24) -> tuple[int, ...]:
    """Return equally likely gaps between arrivals, ascending: what a planner expects.

    One value for a periodic workload, none for back to back. A random workload's gaps are those
    of its own law in the order drawn, sorted and averaged in `quantiles` groups.
    """
    if not arrivals.paced:
        return ()
    times = arrivals.times_ns(0)
    drawn = [next(times) for _ in range(count + 1)]
    gaps = sorted(after - before for before, after in pairwise(drawn))
    if gaps[-1] - gaps[0] <= 1:  # periodic, up to the rounding to ns
        return (gaps[0],)
    edges = [round(i * count / quantiles) for i in range(quantiles + 1)]
    return tuple(round(sum(gaps[a:b]) / (b - a)) for a, b in pairwise(edges))
