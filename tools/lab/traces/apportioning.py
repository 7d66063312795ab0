"""A trace apportioned to inferences: the windows by whatever tells them, the figures by exit."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from edge_infer.boards.errors import DamagedTraceError, TraceError
from edge_infer.boards.traces.trace import Trace, Window
from edge_infer.lab.traces.clock_fit import ClockFit, fit_clock
from edge_infer.lab.traces.marks import cut_marks, marked_spans, marked_windows, toggling
from edge_infer.lab.traces.run_rows import RunRows
from edge_infer.lab.traces.window_energy import (
    EnergyFigures,
    WindowEnergies,
    energy_figures,
    window_energies,
)


@dataclass(frozen=True, slots=True)
class WindowOptions:
    """What tells the windows.

    Args:
        channel: a digital channel and what of it, as `marks.FORMS`.
        inferences: in each window that a channel marks.
        windows: how many there have to be; None for any number.
        same_clock: the run's clock is the trace's.
        idle_w: idle power that net energies leave out.
        idle_window_s: a stretch of the trace to take it from.
    """

    channel: str | None = None
    inferences: int | None = None
    windows: int | None = None
    same_clock: bool = False
    idle_w: float | None = None
    idle_window_s: tuple[float, float] | None = None


@dataclass(frozen=True)
class Apportioned:
    """What a trace's windows hold."""

    source: str
    """What told the windows."""
    energies: WindowEnergies
    figures: EnergyFigures
    idle_w: float | None
    exits: Mapping[int, EnergyFigures] = field(default_factory=dict)
    """By exit, of a run."""
    clock: ClockFit | None = None
    outside: int = 0
    """Inferences of the run while there was no trace."""
    assumptions: tuple[str, ...] = ()


def apportion(trace: Trace, options: WindowOptions, run: RunRows | None) -> Apportioned | None:
    """Return what the windows hold; None where nothing tells any, nor was asked to.

    Raises:
        TraceError: an option is missing, or of no use.
        DamagedTraceError: there are no windows, or not as many as there have to be.
    """
    idle_w = _idle_w(trace, options)
    if run is not None:
        return _by_run(trace, options, run, idle_w)
    if options.channel is not None:
        each = options.inferences or 1
        windows = marked_windows(trace, options.channel, each)
        assumed = cut_marks(trace, options.channel)
        if options.inferences is None:
            assumed += ("1 inference in each marked window",)
        return _of(trace, windows, options, f"channel {options.channel}", idle_w, assumed)
    if trace.windows:
        return _of(trace, trace.windows, options, trace.windows_from, idle_w, ())
    if options.windows or options.inferences:
        raise TraceError(
            f"{trace.name}: nothing tells its windows; name one with --channel, or a run's "
            f"log with --run{hint(trace)}"
        )
    return None


def hint(trace: Trace) -> str:
    """Return which channels of a trace might mark windows."""
    found = toggling(trace)
    return "".join(f"; {name} goes high {times} times" for name, times in found.items())


def _of(
    trace: Trace,
    windows: tuple[Window, ...],
    options: WindowOptions,
    source: str,
    idle_w: float | None,
    assumptions: tuple[str, ...],
) -> Apportioned:
    _check_count(trace, len(windows), options)
    found = window_energies(trace, windows)
    figures = energy_figures(found, trace, idle_w)
    drawn_w = figures.mean_uj / figures.time_us
    if idle_w is not None and idle_w > drawn_w:
        raise TraceError(
            f"{trace.name}: {1e3 * idle_w:g} mW of idle power is more than its windows draw, "
            f"{1e3 * drawn_w:g} mW, so no net energy would be left: is the unit right, was the "
            "board idle, is the channel high while it works?"
        )
    return Apportioned(source, found, figures, idle_w, assumptions=assumptions)


def _check_count(trace: Trace, count: int, options: WindowOptions) -> None:
    if not count:
        raise DamagedTraceError(f"{trace.name}: there is no window in it")
    if options.windows is not None and count != options.windows:
        raise DamagedTraceError(f"{trace.name}: {count} windows, not {options.windows}")


def _by_run(
    trace: Trace, options: WindowOptions, run: RunRows, idle_w: float | None
) -> Apportioned:
    _check_run(trace, options, run)
    if options.same_clock:
        clock, edge_s = None, trace.step_s / 2
        spans = run.spans_ns / 1e9
        assumed: tuple[str, ...] = ("the run's clock is the trace's, as --same-clock says",)
    else:
        assert options.channel is not None  # checked
        marks = marked_spans(trace, options.channel)
        clock = fit_clock(marks, run.spans_ns, trace.step_s, trace.name)
        spans = np.stack([clock.trace_s(run.spans_ns[:, at]) for at in (0, 1)], axis=1)
        # Of a line through many marks each inference's edges are better known than its own mark's.
        edge_s = max(clock.residual_s / max(1, clock.matched) ** 0.5, trace.step_s / 2)
        assumed = () if clock.matched > 1 else ("no drift: a single mark tells none",)
    inside = (spans[:, 0] >= trace.start_s) & (spans[:, 1] <= trace.end_s)
    windows = tuple(Window(float(a), float(b), 1, edge_s) for a, b in spans[inside])
    if not windows:
        raise DamagedTraceError(
            f"{trace.name} goes from {trace.start_s:.3f} to {trace.end_s:.3f} s, {run.name} from "
            f"{spans[0, 0]:.3f} to {spans[-1, 1]:.3f} s: no inference lies in the trace"
        )
    source = f"{run.name}, " + (f"channel {options.channel}" if clock else "the same clock")
    whole = _of(trace, windows, options, source, idle_w, assumed)
    exits = run.exits[inside]
    by_exit = {
        int(e): energy_figures(whole.energies, trace, idle_w, np.flatnonzero(exits == e).tolist())
        for e in np.unique(exits)
    }
    left = len(run.exits) - len(windows)
    return Apportioned(source, whole.energies, whole.figures, idle_w, by_exit, clock, left, assumed)


def _check_run(trace: Trace, options: WindowOptions, run: RunRows) -> None:
    if options.inferences is not None:
        raise TraceError("--inferences: a run's log says which inference each window is")
    if (options.channel is None) == (not options.same_clock):
        raise TraceError(
            "--run needs what ties its clock to the trace's: --channel D0 for a line that run "
            "--marker drove, or --same-clock for a log of power record on the same board"
            + hint(trace)
        )
    if run.simulated and trace.origin == "measured":
        raise TraceError(
            f"{run.name} is of a simulated board, {trace.name} of an instrument: that saw nothing "
            "of this run"
        )


def _idle_w(trace: Trace, options: WindowOptions) -> float | None:
    if options.idle_window_s is None:
        return options.idle_w
    if options.idle_w is not None:
        raise TraceError("--idle and --idle-window: one of them")
    begin, end = options.idle_window_s
    if not trace.start_s <= begin < end <= trace.end_s:
        raise TraceError(
            f"--idle-window {begin:g}s..{end:g}s is not in the trace, which goes from "
            f"{trace.start_s:g} to {trace.end_s:g} s"
        )
    trace.check_covered(begin, end, "--idle-window")
    return float(trace.energy_j(begin, end)) / (end - begin)
