"""A power trace: the mean power of each stretch of time, digital channels beside it, windows.

Times are seconds of the instrument's own clock, powers watts. A reading stands for the time from
midway to the reading before it to midway to the next (the trapezoid rule, seen another way).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edge_infer.boards.errors import DamagedTraceError, TraceError
from edge_infer.boards.power import Origin

Numbers = NDArray[np.float64]
GREATEST_W = 1_000.0
"""No board that this project knows of takes more."""
LEAST_W = 1e-9
"""Less, on average, is no supply that a processor runs on."""
LEAST_STEP_S, GREATEST_STEP_S = 2e-8, 60.0
"""Steps between readings beyond these are of another unit: 50 MHz, one a minute."""
GAP = 10.0
"""A step so many times the usual one has lost readings."""


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of a trace in which inferences ran."""

    start_s: float
    end_s: float
    inferences: int
    edge_s: float = 0.0
    """Half width of what is not known of each edge, the two apart."""
    shift_s: float = 0.0
    """Half width of what is not known of where the window lies, its length kept."""

    @property
    def length_s(self) -> float:
        """How long it is."""
        return self.end_s - self.start_s


@dataclass(frozen=True, slots=True)
class Published:
    """What somebody else computed from the same trace."""

    source: str
    median_uj: float | None
    windows_uj: tuple[float, ...]
    """Energy of an inference, by window."""


@dataclass(frozen=True)
class Trace:
    """A whole trace.

    Args:
        format: which format it came in.
        name: of the file.
        edges_s: where readings begin and end, shape [n + 1], ascending.
        power_w: mean power from each edge to the next, shape [n].
        origin: "unknown" where the file does not say that an instrument took it.
        channels: digital channels by name, bool of shape [n].
        windows: those that the file itself states.
        windows_from: what states them.
        published: figures that came with it.
        supply_v: supply voltage that was taken for all of it, None where the file has its own.
        assumptions: what was taken for granted, a sentence each.
        gain_ppm: bound of the gain error, None where nothing states one.
        offset_uw: bound of the offset, None likewise.
    """

    format: str
    name: str
    edges_s: Numbers
    power_w: Numbers
    origin: Origin | Literal["unknown"] = "measured"
    channels: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)
    windows: tuple[Window, ...] = ()
    windows_from: str = ""
    published: Published | None = None
    supply_v: float | None = None
    assumptions: tuple[str, ...] = ()
    gain_ppm: int | None = None
    offset_uw: int | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    """Of a table: quantity and the column that it was read from."""
    left_out: str | None = None
    """What of the file is not among the readings."""

    def __len__(self) -> int:
        return len(self.power_w)

    @cached_property
    def _energy_j(self) -> Numbers:
        """Energy from the first edge to each edge."""
        parts = self.power_w * np.diff(self.edges_s)
        return np.concatenate([np.zeros(1), np.cumsum(parts)])

    @cached_property
    def step_s(self) -> float:
        """The usual time between two readings."""
        return float(np.median(np.diff(self.edges_s)))

    @property
    def start_s(self) -> float:
        """Where it begins."""
        return float(self.edges_s[0])

    @property
    def end_s(self) -> float:
        """Where it ends."""
        return float(self.edges_s[-1])

    @property
    def length_s(self) -> float:
        """How long it is."""
        return self.end_s - self.start_s

    @property
    def mean_w(self) -> float:
        """Mean power."""
        return float(self._energy_j[-1]) / self.length_s

    def energy_j(self, from_s: Any, to_s: Any) -> Numbers:
        """Return the energy of stretches, readings at the edges counted in part.

        Args:
            from_s: where they begin: a number or an array, inside the trace.
            to_s: where they end, likewise.
        """
        at = np.interp([from_s, to_s], self.edges_s, self._energy_j)
        return np.asarray(at[1] - at[0], np.float64)

    def power_at_w(self, at_s: Any) -> Numbers:
        """Return the power at times: of the reading that covers each."""
        index = np.searchsorted(self.edges_s, at_s, side="right") - 1
        return np.asarray(self.power_w[np.clip(index, 0, len(self) - 1)], np.float64)

    @cached_property
    def gaps_s(self) -> Numbers:
        """Stretches without readings, shape [gaps, 2]."""
        wide = np.concatenate([[0], np.diff(self.edges_s) > GAP / 2 * self.step_s, [0]])
        # Midway between two readings far apart lies an edge: both sides of it are the gap.
        change = np.diff(wide.astype(np.int8))
        begin, end = np.flatnonzero(change == 1), np.flatnonzero(change == -1)
        return np.stack([self.edges_s[begin], self.edges_s[end]], axis=1)

    def check_covered(self, from_s: Any, to_s: Any, what: str) -> None:
        """Raise DamagedTraceError where readings are missing between `from_s` and `to_s`."""
        starts, ends = np.atleast_1d(from_s), np.atleast_1d(to_s)
        for begin, end in self.gaps_s:
            hit = (starts < end) & (ends > begin)
            if hit.any():
                raise DamagedTraceError(
                    f"{self.name}: no readings from {begin:.6g} to {end:.6g} s, inside {what}; the "
                    f"usual step is {self.step_s:.3g} s: record it again, or leave that stretch "
                    "out with --between"
                )

    def between(self, from_s: float | None, to_s: float | None) -> "Trace":
        """Return a stretch of it, with the windows that lie wholly inside. Raises TraceError."""
        begin = self.start_s if from_s is None else from_s
        end = self.end_s if to_s is None else to_s
        keep = (self.edges_s[:-1] >= begin) & (self.edges_s[1:] <= end)
        if keep.sum() < 2:
            raise TraceError(
                f"{self.name} has no readings from {begin:g} to {end:g} s: it goes from "
                f"{self.start_s:g} to {self.end_s:g} s"
            )
        first, last = np.flatnonzero(keep)[[0, -1]]
        windows = tuple(w for w in self.windows if w.start_s >= begin and w.end_s <= end)
        return replace(
            self,
            edges_s=self.edges_s[first : last + 2],
            power_w=self.power_w[first : last + 1],
            channels={name: bits[first : last + 1] for name, bits in self.channels.items()},
            windows=windows,
            published=self.published if len(windows) == len(self.windows) else None,
        )


def uniform_edges(count: int, rate_hz: float, name: str) -> Numbers:
    """Return the edges of readings at a fixed rate, from 0. Raises DamagedTraceError."""
    if not (1 / GREATEST_STEP_S <= rate_hz <= 1 / LEAST_STEP_S):
        raise DamagedTraceError(f"{name}: {rate_hz:g} readings a second are no sample rate")
    return np.arange(count + 1, dtype=np.float64) / rate_hz


def edges_around(times_s: Numbers, name: str, first_line: int | None = None) -> Numbers:
    """Return where each reading begins and ends, midway between them. Raises DamagedTraceError.

    Args:
        times_s: when they were taken, shape [n].
        name: of the file, for messages.
        first_line: number of the first reading's line in it.
    """
    if len(times_s) < 2:
        raise DamagedTraceError(f"{name}: {len(times_s)} readings make no trace")
    steps = np.diff(times_s)
    back = np.flatnonzero(steps <= 0)
    if back.size:
        where = (
            f"reading {back[0] + 2}" if first_line is None else f"line {first_line + back[0] + 1}"
        )
        raise DamagedTraceError(
            f"{name} {where}: the time goes from {times_s[back[0]]:.9g} to "
            f"{times_s[back[0] + 1]:.9g} s, not on; a trace runs forward"
        )
    step = float(np.median(steps))
    if not LEAST_STEP_S <= step <= GREATEST_STEP_S:
        raise DamagedTraceError(
            f"{name}: {step:.3g} s from reading to reading are of another unit; name the columns "
            "with their units, as --columns time_ms=0"
        )
    middles = times_s[:-1] + steps / 2
    return np.concatenate([[times_s[0] - step / 2], middles, [times_s[-1] + step / 2]])


def checked(trace: Trace) -> Trace:
    """Return the trace. Raises DamagedTraceError for powers that no board takes."""
    power = trace.power_w
    if len(power) < 2:
        raise DamagedTraceError(f"{trace.name}: {len(power)} readings make no trace")
    bad = np.flatnonzero(~np.isfinite(power))
    if bad.size:
        raise DamagedTraceError(
            f"{trace.name}: reading {bad[0] + 1} is no number ({bad.size} of {len(power)})"
        )
    greatest, mean = float(np.abs(power).max()), trace.mean_w
    if greatest > GREATEST_W:
        raise DamagedTraceError(
            f"{trace.name}: {greatest:.3g} W is more than any board takes: is the unit right, and "
            "the supply voltage?"
        )
    if mean < LEAST_W:
        raise DamagedTraceError(
            f"{trace.name}: a mean of {mean:.3g} W is no board's supply: is the unit right, are "
            "the leads the right way round?"
        )
    return trace


def high_windows(bits: Sequence[bool] | NDArray[np.bool_], edges_s: Numbers) -> Numbers:
    """Return the stretches in which a channel is high, shape [windows, 2] in s.

    One that is high at the first or the last reading is left out: its edge was not seen.
    """
    level = np.asarray(bits, np.int8)
    change = np.diff(level)
    rises, falls = np.flatnonzero(change == 1) + 1, np.flatnonzero(change == -1) + 1
    if falls.size and (not rises.size or falls[0] < rises[0]):
        falls = falls[1:]
    count = min(len(rises), len(falls))
    return np.stack([edges_s[rises[:count]], edges_s[falls[:count]]], axis=1)
