"""A trace apportioned: clocks brought together, windows by marks and runs, figures by exit."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.fakes.power_traces import BUSY_W, IDLE_W, powers_w

from edge_infer.boards.errors import DamagedTraceError, TraceError
from edge_infer.boards.traces.trace import Trace, Window
from edge_infer.lab.traces.apportioning import WindowOptions, apportion
from edge_infer.lab.traces.clock_fit import fit_clock
from edge_infer.lab.traces.marks import marked_spans
from edge_infer.lab.traces.run_rows import RunRows, read_run_rows
from edge_infer.lab.traces.window_energy import energy_figures, window_energies

STEP_S = 1e-4
Spans = NDArray[np.float64]


def inferences(count: int, seed: int = 0, jitter: float = 0.3) -> tuple[Spans, NDArray[np.int64]]:
    """Start and end in s of inferences that leave at two exits, and the exits."""
    drawn = np.random.default_rng(seed)
    exits = drawn.integers(0, 2, count)
    starts = 0.02 * np.arange(count) + 0.02 * jitter * drawn.random(count)
    return np.stack([starts, starts + np.where(exits == 0, 0.002, 0.006)], axis=1), exits


def trace_of(spans: Spans, length_s: float, **more: Any) -> Trace:
    powers = powers_w([tuple(span) for span in spans], 1 / STEP_S, length_s)
    edges = np.arange(len(powers) + 1, dtype=np.float64) * STEP_S
    middles = edges[:-1] + STEP_S / 2
    at = np.searchsorted(spans[:, 0], middles, side="right") - 1
    high = (at >= 0) & (middles < spans[np.clip(at, 0, None), 1])
    return Trace("columns", "x.csv", edges, powers, channels={"D0": high}, **more)


def run_of(spans: Spans, exits: NDArray[np.int64]) -> RunRows:
    return RunRows("run.jsonl", np.round(spans * 1e9).astype(np.int64), exits, False)


@pytest.mark.parametrize("drift_ppm", [0.0, 60.0, -180.0])
@pytest.mark.parametrize("missing", [0, 1, 20])
def test_offset_and_drift_come_out_of_the_marks(drift_ppm: float, missing: int) -> None:
    spans, _ = inferences(600)
    marks = 7.25 + spans * (1 + drift_ppm / 1e6)
    marks = np.round(marks / STEP_S) * STEP_S
    gone = np.random.default_rng(1).choice(len(marks), missing, replace=False)
    rows = np.round((spans + 12345.6) * 1e9).astype(np.int64)
    fit = fit_clock(np.delete(marks, gone, axis=0), rows, STEP_S, "x.csv")
    assert fit.drift_ppm == pytest.approx(drift_ppm, abs=2 * (fit.drift_error_ppm or 0))
    assert fit.drift_error_ppm is not None and fit.drift_error_ppm < 2
    assert fit.trace_s(rows[300, 0]) == pytest.approx(7.25 + spans[300, 0], abs=5e-3)
    assert fit.matched >= 600 - missing - 5
    assert fit.residual_s < STEP_S


def test_marks_of_which_some_lie_far_off_are_dropped() -> None:
    spans, _ = inferences(200)
    marks = spans + 1.0
    marks[50:60] += 0.002
    fit = fit_clock(marks, np.round(spans * 1e9).astype(np.int64), STEP_S, "x.csv")
    assert fit.dropped == 10 and fit.offset_s == pytest.approx(1.0 + spans[0, 0], abs=1e-6)


def test_a_trace_that_began_late_or_early_is_placed_by_the_pattern() -> None:
    spans, _ = inferences(300)
    rows = np.round(spans * 1e9).astype(np.int64)
    late = fit_clock(spans[40:] - 0.7, rows, STEP_S, "x.csv")
    assert late.trace_s(rows[100, 0]) == pytest.approx(spans[100, 0] - 0.7, abs=1e-6)
    before = np.stack([np.linspace(-2.3, -0.1, 37), np.linspace(-2.3, -0.1, 37) + 0.004], axis=1)
    early = fit_clock(np.concatenate([before, spans]) + 3, rows, STEP_S, "x.csv")
    assert early.trace_s(rows[100, 0]) == pytest.approx(spans[100, 0] + 3, abs=1e-6)


def test_marks_that_fit_everywhere_or_nowhere_are_refused() -> None:
    spans, _ = inferences(100, jitter=0.0)
    spans[:, 1] = spans[:, 0] + 0.004
    rows = np.round(spans * 1e9).astype(np.int64)
    with pytest.raises(DamagedTraceError, match="at several places equally well"):
        fit_clock(spans[10:60] + 1, rows, STEP_S, "x.csv")
    assert fit_clock(spans + 1, rows, STEP_S, "x.csv").offset_s == pytest.approx(1)
    other, _ = inferences(100, seed=5, jitter=40.0)
    other = other[np.argsort(other[:, 0])]
    with pytest.raises(DamagedTraceError, match=r"another run|several places"):
        fit_clock(other, rows, STEP_S, "x.csv")


def test_energy_by_exit_is_that_of_the_windows() -> None:
    spans, exits = inferences(400)
    trace = trace_of(1.0 + spans * (1 + 50e-6), 10.0)
    options = WindowOptions(channel="D0", idle_w=IDLE_W)
    found = apportion(trace, options, run_of(spans, exits))
    assert found is not None and found.clock is not None
    assert found.clock.drift_ppm == pytest.approx(50, abs=2)
    for number, length_s in ((0, 0.002), (1, 0.006)):
        figures = found.exits[number]
        # Readings of 0.1 ms at the edges are in part those of idle time.
        assert figures.mean_uj == pytest.approx(1e6 * BUSY_W * length_s, rel=0.02)
        assert abs(figures.mean_uj - 1e6 * BUSY_W * length_s) < 2 * (figures.uncertainty_uj or 0)
        net = 1e6 * (BUSY_W - IDLE_W) * length_s
        assert figures.net_mean_uj == pytest.approx(net, rel=0.04)
        assert figures.inferences == int((exits == number).sum())


def test_inferences_while_there_was_no_trace_are_counted_and_left_out() -> None:
    spans, exits = inferences(400)
    shown = spans[spans[:, 0] > 2.0] - 1.99
    found = apportion(trace_of(shown, 7.0), WindowOptions(channel="D0"), run_of(spans, exits))
    assert found is not None and found.outside == len(spans) - len(shown)


def test_a_log_of_the_same_board_needs_no_marks() -> None:
    spans, exits = inferences(50)
    trace = trace_of(spans, 2.0)
    found = apportion(trace, WindowOptions(same_clock=True), run_of(spans, exits))
    assert found is not None and found.clock is None and found.outside == 0
    with pytest.raises(DamagedTraceError, match="no inference lies in the trace"):
        apportion(trace, WindowOptions(same_clock=True), run_of(spans + 99, exits))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (WindowOptions(), "--run needs what ties its clock.*D0 goes high 50 times"),
        (WindowOptions(channel="D0", same_clock=True), "--run needs what ties"),
        (WindowOptions(channel="D1"), "no digital channel 'D1'; there are: D0"),
        (WindowOptions(channel="D0:up"), "'up' is none of high, low, falling"),
        (WindowOptions(channel="D0", inferences=2), "--inferences: a run's log says"),
        (WindowOptions(channel="D0", windows=7), "50 windows, not 7"),
        (WindowOptions(channel="D0", idle_w=1.0, idle_window_s=(0, 1)), "one of them"),
        (WindowOptions(channel="D0", idle_window_s=(1.0, 9.0)), "is not in the trace"),
    ],
)
def test_what_does_not_go_together_is_refused(options: WindowOptions, message: str) -> None:
    spans, exits = inferences(50)
    with pytest.raises(TraceError, match=message):
        apportion(trace_of(spans + 0.1, 2.0), options, run_of(spans, exits))


def test_channels_alone_give_windows() -> None:
    spans, _ = inferences(50)
    trace = trace_of(spans + 0.1, 2.0)
    found = apportion(trace, WindowOptions(channel="D0"), None)
    assert found is not None and found.figures.windows == 50
    assert found.assumptions == ("1 inference in each marked window",)
    assert len(marked_spans(trace, "D0:low")) == 49
    assert apportion(trace, WindowOptions(), None) is None
    with pytest.raises(TraceError, match="nothing tells its windows"):
        apportion(trace, WindowOptions(windows=3), None)
    still = Trace(
        "columns", "x.csv", trace.edges_s, trace.power_w, channels={"D0": np.ones(20_000, bool)}
    )
    with pytest.raises(DamagedTraceError, match="D0 marks no window: it is high in 100%"):
        apportion(still, WindowOptions(channel="D0"), None)


def test_falling_edges_bound_windows_in_pairs() -> None:
    edges = np.arange(1001, dtype=np.float64) * 1e-3
    bits = np.ones(1000, bool)
    bits[[100, 300, 500, 700]] = False
    trace = Trace("columns", "x.csv", edges, np.ones(1000), channels={"D7": bits})
    np.testing.assert_allclose(marked_spans(trace, "D7:falling"), [[0.1, 0.3], [0.5, 0.7]])
    bits[900] = False
    with pytest.raises(DamagedTraceError, match="falls 5 times, an odd number"):
        marked_spans(trace, "D7:falling")
    assert len(marked_spans(trace.between(0.0, 0.8), "D7:falling")) == 2


def test_a_gap_in_a_window_is_refused_and_may_be_left_out() -> None:
    edges = np.concatenate([np.arange(0, 501), np.arange(600, 1101)]) * 1e-3
    trace = Trace("columns", "x.csv", edges, np.ones(len(edges) - 1))
    window = Window(0.45, 0.7, 1)
    with pytest.raises(
        DamagedTraceError, match=r"no readings from 0\.5 to 0\.6 s, inside a window"
    ):
        window_energies(trace, [window])
    later = Window(0.65, 0.7, 1)
    assert window_energies(trace, [later]).gross_j[0] == pytest.approx(0.05)


def test_the_half_width_holds_what_a_coarse_trace_leaves_open() -> None:
    """Windows of known energy, sampled at 1 kHz: nine in ten means lie within."""
    held = 0
    for seed in range(60):
        spans, _ = inferences(30, seed=seed)
        spans = spans + 0.05 + np.random.default_rng(seed).random() * 1e-3
        powers = powers_w([tuple(span) for span in spans], 2000.0, 1.0)
        trace = Trace("columns", "x.csv", np.arange(2001) / 2000.0, powers)
        windows = [Window(float(a), float(b), 1, trace.step_s / 2) for a, b in spans]
        figures = energy_figures(window_energies(trace, windows), trace, None)
        truth = 1e6 * BUSY_W * float(np.diff(spans).mean())
        held += abs(figures.mean_uj - truth) <= (figures.uncertainty_uj or 0)
    assert held >= 54


def test_gain_and_offset_count_where_they_are_stated() -> None:
    edges = np.arange(1001, dtype=np.float64) * 1e-3
    trace = Trace("edge-infer", "x.csv", edges, np.ones(1000), gain_ppm=10_000, offset_uw=500)
    windows = [Window(0.1, 0.2, 1), Window(0.3, 0.4, 1)]
    figures = energy_figures(window_energies(trace, windows), trace, None)
    assert figures.gain_uj == pytest.approx(1e5 * 0.01 + 0.1 * 500)
    one = energy_figures(window_energies(trace, windows[:1]), trace, None)
    assert one.scatter_uj is None and one.uncertainty_uj is None


def test_logs_of_runs_are_read_and_damaged_ones_named(tmp_path: Path) -> None:
    row = '{"start_ns": 5, "end_ns": 9, "exit": 1, "energy_origin": null}\n'
    path = tmp_path / "run.jsonl"
    path.write_text(row + row.replace("5", "1").replace("9", "4"))
    rows = read_run_rows(path)
    assert rows.spans_ns.tolist() == [[1, 4], [5, 9]] and not rows.simulated
    (tmp_path / "run.csv").write_text("number,start_ns,end_ns,exit\n0,5,9,1\n")
    assert read_run_rows(tmp_path / "run.csv").exits.tolist() == [1]
    for text, message in [
        (row + row[:20], "line 2: it is cut short"),
        ("", "holds no inferences"),
        ('{"start_ns": 5}\n', "line 1 is no inference of run -o: it has no end_ns"),
        (row.replace("9", "2"), "end before they begin"),
        ("[1]\n", "line 1: it is no object"),
        (row.replace("1,", "-1,"), "an exit of -1"),
    ]:
        path.write_text(text)
        with pytest.raises(TraceError, match=message):
            read_run_rows(path)
