"""What windows of a trace amount to: energy of an inference, with how far it may be off.

Three things bound it: how the windows scatter (Student's t over the windows), where their edges
lie, and the instrument's gain and offset where those are stated. The former two are taken as
independent from window to window, the latter as the same in all.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge_infer.boards.errors import DamagedTraceError
from edge_infer.boards.traces.trace import Numbers, Trace, Window

LEAST_READINGS = 3
"""In a window: of fewer, none lies whole inside."""
SHARED = 0.01
"""An edge so near a reading's own, as a share of a step, cuts no reading."""
NORMAL_95 = 1.96
STUDENT_95 = {1: 12.71, 2: 4.30, 3: 3.18, 4: 2.78, 5: 2.57, 6: 2.45, 7: 2.36, 8: 2.31, 9: 2.26,
              12: 2.18, 15: 2.13, 20: 2.09, 30: 2.04, 60: 2.00}  # fmt: skip
"""Two-sided quantile by degrees of freedom, that of the next fewer where one is not listed."""


@dataclass(frozen=True)
class WindowEnergies:
    """Energies of windows, one element a window.

    Args:
        windows: the windows.
        gross_j: energy of each.
        edge_j: standard deviation of it that unknown edges leave.
    """

    windows: tuple[Window, ...]
    gross_j: Numbers
    edge_j: Numbers


@dataclass(frozen=True, slots=True)
class EnergyFigures:
    """Energy of an inference over some windows, in uJ; half widths hold with about 95 %."""

    windows: int
    inferences: int
    mean_uj: float
    median_uj: float
    """Of the windows' energies of an inference, as MLPerf Tiny takes it."""
    net_mean_uj: float | None
    net_median_uj: float | None
    time_us: float
    """Of an inference: the windows' lengths over their inferences."""
    scatter_uj: float | None
    """None for one window: nothing tells."""
    edges_uj: float
    gain_uj: float | None
    """Gain and offset together; None where nothing states them."""

    @property
    def uncertainty_uj(self) -> float | None:
        """All that is known of it; None where a single window leaves the scatter open."""
        if self.scatter_uj is None:
            return None
        return math.hypot(self.scatter_uj, self.edges_uj) + (self.gain_uj or 0.0)


def window_energies(trace: Trace, windows: Sequence[Window]) -> WindowEnergies:
    """Return the energies of windows, all inside the trace and none across a gap.

    Raises DamagedTraceError.
    """
    starts, ends = (np.array([getattr(w, at) for w in windows]) for at in ("start_s", "end_s"))
    if not (ends > starts).all():
        raise DamagedTraceError(f"{trace.name}: a window ends before it begins")
    trace.check_covered(starts, ends, "a window")
    if float(np.median(ends - starts)) < LEAST_READINGS * trace.step_s:
        raise DamagedTraceError(
            f"{trace.name}: readings {trace.step_s:.3g} s apart are too coarse for windows of "
            f"{float(np.median(ends - starts)):.3g} s: {LEAST_READINGS} in each are the least"
        )
    edge, shift = (np.array([getattr(w, at) for w in windows]) for at in ("edge_s", "shift_s"))
    apart = np.hypot(*(trace.energy_j(at - edge, at + edge) / 2 for at in (starts, ends)))
    moved = trace.energy_j(starts + shift, ends + shift) - trace.energy_j(
        starts - shift, ends - shift
    )
    # What rounding leaves is spread evenly over its width: 1 / sqrt(3) of half of it.
    edge_j = np.hypot(apart, moved / 2) / math.sqrt(3)
    gross_j = trace.energy_j(starts, ends) + _edge_steps_j(trace, starts, ends)
    return WindowEnergies(tuple(windows), gross_j, edge_j)


def _edge_steps_j(trace: Trace, starts: Numbers, ends: Numbers) -> Numbers:
    """Return what a reading in which a window begins or ends has to be mended by.

    Power steps at a window's edge: of that reading, the part inside the window is at the power of
    the next reading inside, not at the reading's own mean.
    """
    edges, power = trace.edges_s, trace.power_w
    first = np.clip(np.searchsorted(edges, starts, side="right") - 1, 0, len(power) - 2)
    last = np.clip(np.searchsorted(edges, ends, side="left") - 1, 1, len(power) - 1)
    inner = last - first > 2
    within = SHARED * trace.step_s
    begun = np.where(starts - edges[first] > within, edges[first + 1] - starts, 0.0)
    ended = np.where(edges[last + 1] - ends > within, ends - edges[last], 0.0)
    mended = begun * (power[first + 1] - power[first]) + ended * (power[last - 1] - power[last])
    return np.where(inner, mended, 0.0)


def energy_figures(
    found: WindowEnergies, trace: Trace, idle_w: float | None, chosen: Sequence[int] | None = None
) -> EnergyFigures:
    """Return what some of the windows come to.

    Args:
        found: of all windows.
        trace: theirs; its gain and offset count.
        idle_w: idle power that net energies leave out.
        chosen: numbers of the windows; all if None.
    """
    take = list(range(len(found.windows)) if chosen is None else chosen)
    counts = np.array([found.windows[i].inferences for i in take])
    lengths = np.array([found.windows[i].length_s for i in take])
    gross = found.gross_j[take]
    total, inferences = float(gross.sum()), int(counts.sum())
    each = gross / counts
    time_s = float(lengths.sum()) / inferences
    net = None if idle_w is None else (gross - idle_w * lengths) / counts
    net_mean = None if idle_w is None else total / inferences - idle_w * time_s
    edges = NORMAL_95 * float(np.sqrt((found.edge_j[take] ** 2).sum())) / inferences
    return EnergyFigures(
        windows=len(take),
        inferences=inferences,
        mean_uj=1e6 * total / inferences,
        median_uj=1e6 * float(np.median(each)),
        net_mean_uj=None if net_mean is None else 1e6 * net_mean,
        net_median_uj=None if net is None else 1e6 * float(np.median(net)),
        time_us=1e6 * time_s,
        scatter_uj=_scatter_uj(each),
        edges_uj=1e6 * edges,
        gain_uj=_gain_uj(trace, total / inferences, time_s),
    )


def _scatter_uj(each_j: Numbers) -> float | None:
    free = len(each_j) - 1
    if free < 1:
        return None
    quantile = STUDENT_95[max(n for n in STUDENT_95 if n <= free)] if free <= 120 else NORMAL_95
    return 1e6 * quantile * float(np.std(each_j, ddof=1)) / math.sqrt(len(each_j))


def _gain_uj(trace: Trace, mean_j: float, time_s: float) -> float | None:
    if trace.gain_ppm is None or trace.offset_uw is None:
        return None
    return abs(mean_j) * trace.gain_ppm + trace.offset_uw * time_s
