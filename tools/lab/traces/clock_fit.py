"""The clock of a trace against that of a run, from marks that both saw.

A mark in the trace and an inference in the run's log are the same event. Which belongs to which is
found by walking along both from a pair that is tried, each step predicted by the pair before, so
that marks which the instrument missed do no harm; offset and drift are then a least-squares line
from which the pairs that lie far off are dropped.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_infer.boards.errors import DamagedTraceError
from edge_infer.boards.traces.trace import Numbers

Integers = NDArray[np.int64]
TRIED_NEAR, TRIED_FAR, SHORT_STEPS = 3, 500, 30
"""Pairs are tried, so many steps far, in which one is of the first and the other among so many."""
TRIED_LONG, TRIED_STEPS = 40, 200
"""So many of the best are tried farther."""
LOST_AFTER = 12
"""Steps after which a walk that found few ends."""
WANDERS = 1e-3
"""How far a clock may be off the other, of the time since the pair before."""
LEAST_SHARE = 0.5
"""Of the inferences while the trace ran: fewer found again are no match."""
AMBIGUOUS = 0.9
"""Another place that matches so many, as closely, leaves it open."""
GREATEST_DRIFT = 0.01
"""No two clocks differ by more."""
OUTLIER = 5.0
"""Times the median deviation."""


@dataclass(frozen=True, slots=True)
class ClockFit:
    """What maps a run's time to a trace's.

    Args:
        origin_ns: run time at which the offset holds.
        offset_s: the trace's time then.
        drift_ppm: how much faster the trace's clock goes.
        drift_error_ppm: half width of it, with about 95 %; None where one mark tells no drift.
        residual_s: root mean square of what the line leaves of the marks' starts.
        greatest_s: the greatest of it, among those that count.
        marks: in the trace.
        rows: in the run's log.
        matched: pairs that count.
        dropped: pairs that lie too far off the line.
    """

    origin_ns: int
    offset_s: float
    drift_ppm: float
    drift_error_ppm: float | None
    residual_s: float
    greatest_s: float
    marks: int
    rows: int
    matched: int
    dropped: int

    def trace_s(self, run_ns: Any) -> Numbers:
        """Return the trace's time at times of the run."""
        since = (np.asarray(run_ns, np.int64) - self.origin_ns) / 1e9
        return np.asarray(self.offset_s + since * (1 + self.drift_ppm / 1e6), np.float64)


def fit_clock(marks_s: Numbers, rows_ns: Integers, step_s: float, name: str) -> ClockFit:
    """Return the fit of a run's log to marks.

    Args:
        marks_s: starts and ends in the trace, shape [marks, 2].
        rows_ns: starts and ends of inferences in the run, shape [rows, 2], ascending.
        step_s: the trace's usual step.
        name: of the trace, for messages.

    Raises:
        DamagedTraceError: they do not fit, or fit at several places.
    """
    origin = int(rows_ns[0, 0])
    rows = (rows_ns - origin) / 1e9
    pairs = _pairs(marks_s, rows, step_s, name)
    # Middles: the edges of a mark lie a little outside of the inference, on both sides alike.
    at, taken = rows[pairs[:, 1]].mean(axis=1), marks_s[pairs[:, 0]].mean(axis=1)
    slope, offset, kept = _line(at, taken, step_s)
    if abs(slope - 1) > GREATEST_DRIFT:
        raise DamagedTraceError(
            f"{name}: its clock would go {1e6 * (slope - 1):+.0f} ppm faster than the run's: these "
            "are marks of another run"
        )
    left = taken[kept] - (offset + slope * at[kept])
    residual_s, wide_s = float(np.sqrt(np.mean(left**2))), float(np.std(at[kept]))
    error = 2 * max(residual_s, step_s / 12**0.5) / (wide_s * kept.sum() ** 0.5) if wide_s else None
    return ClockFit(
        origin_ns=origin,
        offset_s=float(offset),
        drift_ppm=float(1e6 * (slope - 1)),
        drift_error_ppm=None if error is None else 1e6 * error,
        residual_s=residual_s,
        greatest_s=float(np.abs(left).max()),
        marks=len(marks_s),
        rows=len(rows),
        matched=int(kept.sum()),
        dropped=int((~kept).sum()),
    )


def _line(x: Numbers, y: Numbers, step_s: float) -> tuple[float, float, NDArray[np.bool_]]:
    """Return slope and offset of y over x, and which points count. One point tells no slope."""
    kept = np.ones(len(x), bool)
    for _ in range(5):
        if kept.sum() < 2 or np.ptp(x[kept]) == 0:
            return 1.0, float(np.mean(y[kept] - x[kept])), kept
        middle = x[kept].mean()
        slope, height = np.polyfit(x[kept] - middle, y[kept], 1)
        left = np.abs(y - height - slope * (x - middle))
        limit = OUTLIER * max(float(np.median(left[kept])), step_s)
        kept = left <= limit
    return float(slope), float(height - slope * middle), kept


def _pairs(marks: Numbers, rows: Numbers, step_s: float, name: str) -> Integers:
    """Return numbers of marks and rows that belong together, shape [pairs, 2]."""
    tolerance = _tolerance(marks, rows, step_s)
    places = [
        (i, j)
        for i in range(min(TRIED_FAR, len(marks)))
        for j in range(min(TRIED_FAR, len(rows)))
        if min(i, j) < TRIED_NEAR
    ]
    short = _best_first(marks, rows, places, tolerance, SHORT_STEPS)
    places = [(0, 0), *((one.mark, one.row) for one in short[:TRIED_LONG])]
    tried = _best_first(marks, rows, places, tolerance, TRIED_STEPS)
    best = tried[0]
    whole = next(one for one in tried if (one.mark, one.row) == (0, 0))
    if len(marks) == len(rows) and whole.as_good_as(best, step_s):
        best = whole
    else:
        _refuse_ambiguous(tried, best, marks, rows, step_s, name)
    pairs = _walked(marks, rows, best.mark, best.row, tolerance, len(rows))
    seen = int(((rows[:, 0] >= rows[pairs[0, 1], 0]) & (rows[:, 0] <= rows[pairs[-1, 1], 0])).sum())
    if len(pairs) < LEAST_SHARE * max(seen, min(len(marks), len(rows))):
        raise DamagedTraceError(
            f"{name}: of its {len(marks)} marks and the run's {len(rows)} windows only "
            f"{len(pairs)} fit together: these are marks of another run or line, or readings "
            f"{step_s:.3g} s apart are too coarse to show the line low between two"
        )
    return pairs


@dataclass(frozen=True, slots=True)
class _Try:
    """What came of walking from a pair."""

    matched: int
    residual_s: float
    mark: int
    row: int

    def as_good_as(self, other: "_Try", step_s: float) -> bool:
        near = self.residual_s <= 2 * other.residual_s + step_s
        return self.matched >= AMBIGUOUS * other.matched and near


def _refuse_ambiguous(
    tried: list[_Try], best: _Try, marks: Numbers, rows: Numbers, step_s: float, name: str
) -> None:
    offset = marks[best.mark, 0] - rows[best.row, 0]
    spacing = float(np.diff(rows[:, 0]).min()) if len(rows) > 1 else np.inf
    for one in tried:
        elsewhere = abs(marks[one.mark, 0] - rows[one.row, 0] - offset) > spacing / 2
        if elsewhere and one.as_good_as(best, step_s):
            raise DamagedTraceError(
                f"{name}: its {len(marks)} marks fit the run's {len(rows)} windows at several "
                "places equally well: record from before the first one to after the last"
            )


def _tolerance(marks: Numbers, rows: Numbers, step_s: float) -> float:
    """Return how far a mark may lie from where it is expected."""
    spacing = min(
        (float(np.diff(both[:, 0]).min()) for both in (marks, rows) if len(both) > 1), default=1.0
    )
    return max(2 * step_s, min(spacing / 4, 0.01))


def _best_first(
    marks: Numbers,
    rows: Numbers,
    places: Sequence[tuple[int, int]],
    tolerance: float,
    steps: int,
) -> list[_Try]:
    """Return what walks from pairs come to: most pairs first, of as many the closest."""
    tried = [_Try(*_judged(marks, rows, i, j, tolerance, steps), i, j) for i, j in places]
    return sorted(tried, key=lambda one: (-one.matched, one.residual_s))


def _judged(
    marks: Numbers, rows: Numbers, mark: int, row: int, tolerance: float, steps: int
) -> tuple[int, float]:
    """Return how many pairs a walk of so many steps finds, and how far they lie off a line."""
    pairs = _walked(marks, rows, mark, row, tolerance, steps)
    x, y = rows[pairs[:, 1]].ravel(), marks[pairs[:, 0]].ravel()
    if len(pairs) < 2:
        return len(pairs), np.inf
    middle = x.mean()
    slope, height = np.polyfit(x - middle, y, 1)
    return len(pairs), float(np.sqrt(np.mean((y - height - slope * (x - middle)) ** 2)))


def _walked(
    marks: Numbers, rows: Numbers, mark: int, row: int, tolerance: float, steps: int
) -> Integers:
    """Return the pairs found from one on, forwards; a walk that finds few early on ends."""
    # A walk of few steps sees few marks: no more of them than that are looked at.
    starts = marks[: mark + 2 * steps, 0].tolist()
    begins = rows[row : row + steps, 0].tolist()
    offset, last = starts[mark] - begins[0], begins[0]
    pairs: list[tuple[int, int]] = []
    for number, begun in enumerate(begins, row):
        expected = begun + offset
        at = bisect_left(starts, expected)
        near = [k for k in (at - 1, at) if 0 <= k < len(starts)]
        found = min(near, key=lambda k: abs(starts[k] - expected))
        allowed = tolerance + WANDERS * (begun - last)
        if abs(starts[found] - expected) <= allowed and (not pairs or found > pairs[-1][0]):
            pairs.append((found, number))
            offset, last = starts[found] - begun, begun
        elif number - row == LOST_AFTER and len(pairs) < LOST_AFTER // 3:
            break
    return np.array(pairs, np.int64).reshape(-1, 2)
