"""`edge-infer power report`: what a recorded file amounts to, with a plot on request."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge_infer.boards.errors import TraceError
from edge_infer.boards.power_csv import PowerLog, is_power_log, read_power_log
from edge_infer.boards.power_summary import summarise
from edge_infer.commands.options import json_option, option
from edge_infer.commands.render import emit, picture, table, warn
from edge_infer.commands.trace_options import (
    TraceGiven,
    WindowsGiven,
    trace_options,
    window_options,
)

if TYPE_CHECKING:  # a log of ours needs no NumPy
    from edge_infer.boards.traces.trace import Trace

POINTS = 4000
"""Points of a plot: more than a page has pixels."""


@click.command("report", short_help="Sum up a trace or log: joules, watts, gaps, inferences.")
@click.argument("log", type=click.Path(path_type=Path))
@trace_options
@window_options
@option("--run", "run_log", type=click.Path(path_type=Path, dir_okay=False),
        help="Log of run -o while the trace was taken: figures by exit.")  # fmt: skip
@option("--same-clock", is_flag=True,
        help="The run's clock is the trace's: both were taken on one board.")  # fmt: skip
@option("--plot", type=click.Path(path_type=Path, dir_okay=False), help="Picture to write.")
@json_option
def report_command(
    log: Path,
    given: TraceGiven,
    telling: WindowsGiven,
    run_log: Path | None,
    same_clock: bool,
    plot: Path | None,
    as_json: bool,
) -> None:
    """Sum up a power trace: energy, mean power, what was lost, and what an inference took.

    LOG is a file of `power record` or `power stream`, a folder or trace1-energy.bin of MLPerf
    Tiny, a CSV export of a PPK2 or a Joulescope, or any table with --columns. Windows come from
    what lies beside an MLPerf trace, from a digital channel, or from a run's log.

    Logs of this project are read up to what is whole; what is not is counted.
    """
    asked = any((*_values(given), *_values(telling), run_log, same_clock))
    shown: PowerLog | Trace
    if not asked and (not log.exists() or is_power_log(log)):
        shown = read_power_log(log, up_to_cut=True)
        document = report_document(shown, str(log))
        text = _text(document)
    else:
        shown = read_trace(log, given, telling.inferences)
        document, text = _apportioned(shown, given, telling, run_log, same_clock)
    for sentence in _said(document):
        warn(sentence)
    if plot is not None:
        save_plot(_points(shown), document, plot)
    emit(as_json, document, text)


def read_trace(path: Path, given: TraceGiven, inferences: int | None = None) -> "Trace":
    """Return the trace that the options describe. Raises TraceError, MeterError, OSError."""
    from edge_infer.boards.traces.formats import TraceOptions, open_trace

    if given.measured and not given.columns:
        raise TraceError("--measured is said of --columns; the other formats say it themselves")
    options = TraceOptions(
        given.format,  # type: ignore[arg-type]  # click checked it
        given.supply,
        given.columns or (),
        inferences,
        given.measured,
    )
    trace = open_trace(path, options)
    if given.gain_error is not None:
        if trace.gain_ppm is not None:
            raise TraceError(f"{path} states its gain error: leave --gain-error out")
        trace = replace(trace, gain_ppm=round(1e4 * given.gain_error), offset_uw=0)
    return trace if given.between is None else trace.between(*given.between)


def _apportioned(
    trace: "Trace",
    given: TraceGiven,
    telling: WindowsGiven,
    run_log: Path | None,
    same_clock: bool,
) -> tuple[dict[str, Any], str]:
    from edge_infer.commands.trace_report import trace_document, windows_text
    from edge_infer.lab.traces.apportioning import WindowOptions, apportion
    from edge_infer.lab.traces.run_rows import read_run_rows

    if same_clock and run_log is None:
        raise TraceError("--same-clock is said of a run's log: give it with --run")
    run = None if run_log is None else read_run_rows(run_log)
    options = WindowOptions(
        telling.channel or (None if same_clock else _named_marker(given)),
        # Beside an MLPerf trace it may say what nothing else does; that is told by then.
        None if trace.windows else telling.inferences,
        telling.windows,
        same_clock,
        None if telling.idle is None else telling.idle / 1e6,
        telling.idle_window,
    )
    found = apportion(trace, options, run)
    asked = {
        "forced": given.format is not None,
        "between_s": None if given.between is None else list(given.between),
    }
    document = trace_document(trace, found, asked)
    parts = [_text(document), windows_text(document)]
    return document, "\n\n".join(part for part in parts if part)


def _named_marker(given: TraceGiven) -> str | None:
    """Return the one marker that --columns names: it was not named for nothing."""
    named = [column.at for column in given.columns or () if column.quantity == "marker"]
    return named[0] if len(named) == 1 else None


def _points(shown: "PowerLog | Trace") -> list[tuple[float, float]]:
    """Return times in s and powers in W, no more than a picture shows."""
    step = max(1, len(shown.samples if isinstance(shown, PowerLog) else shown.power_w) // POINTS)
    if isinstance(shown, PowerLog):
        return [(s.timestamp_ns / 1e9, s.power_uw / 1e6) for s in shown.samples[::step]]
    times, powers = shown.edges_s[:-1:step].tolist(), shown.power_w[::step].tolist()
    return list(zip(times, powers, strict=True))


def _values(record: TraceGiven | WindowsGiven) -> list[Any]:
    return [getattr(record, name) for name in record.__dataclass_fields__]


def _said(document: dict[str, Any]) -> list[str]:
    """Return what a reader of the text has to know of how the file was read."""
    said = [f"left out {document['left_out']}"] if document["left_out"] is not None else []
    return [*said, *(f"taken for granted: {text}" for text in document["input"]["assumptions"])]


def report_document(log: PowerLog, name: str) -> dict[str, Any]:
    """Return the report of a log. Raises MeterError for one of fewer than two samples."""
    summary = summarise(log.samples)
    uncertainty_uw = (
        abs(summary.mean_uw) * log.gain_uncertainty_ppm // 1_000_000
        + log.offset_uncertainty_uw
        + log.resolution_uw
    )
    return {
        "log": name,
        "origin": log.origin,
        "duration_us": summary.duration_ns // 1000,
        "energy_uj": summary.energy_nj / 1000,
        "mean_uw": summary.mean_uw,
        "uncertainty_uw": uncertainty_uw if log.bounds_stated else None,
        "least_uw": summary.least_uw,
        "greatest_uw": summary.greatest_uw,
        "samples": summary.samples,
        "rate_hz": round(summary.rate_hz, 1),
        "lost": summary.lost,
        "longest_gap_us": summary.longest_gap_ns // 1000,
        "saturated": summary.saturated,
        "throttled": summary.throttled,
        "bus_out_of_range": summary.bus_out_of_range,
        "restarts": log.restarts,
        "left_out": log.left_out,
        "input": {"format": "edge-infer", "left_out": log.left_out, "assumptions": []},
        **dict.fromkeys(("windows", "per_inference", "exits", "clock", "published")),
    }


def _text(report: dict[str, Any]) -> str:
    bound_uw = report["uncertainty_uw"]
    bound = "+- ?, the log states no bound" if bound_uw is None else f"+- {_watts(bound_uw)}"
    lost = "" if report["lost"] is None else f", {report['lost']} lost"
    rows = [
        ["energy", f"{report['energy_uj'] / 1e6:.4f} J in {report['duration_us'] / 1e6:.3f} s"],
        ["mean power", f"{_watts(report['mean_uw'])} {bound} ({report['origin']})"],
        ["least, greatest", f"{_watts(report['least_uw'])}, {_watts(report['greatest_uw'])}"],
        ["samples", f"{report['samples']}, {report['rate_hz']:g} a second{lost}"],
        ["longest gap", f"{report['longest_gap_us'] / 1000:.2f} ms"],
    ]
    if report["saturated"] is not None:
        rows.append(["saturated, throttled", f"{report['saturated']}, {report['throttled']}"])
    if report["bus_out_of_range"]:
        text = (
            f"{report['bus_out_of_range']}, near 0 or at the end of the range: no power of a board"
        )
        rows.append(["bus voltage", text])
    if report["restarts"]:
        rows.append(["restarts", f"{report['restarts']}, the time between is not counted"])
    return f"{report['log']} ({report['input']['format']})\n{table(rows)}"


def _watts(microwatts: float) -> str:
    """Return a power in W, or in mW where a microcontroller takes it."""
    if abs(microwatts) >= 1e6 or microwatts == 0:
        return f"{microwatts / 1e6:.4f} W"
    return f"{microwatts / 1e3:.4f} mW"


def save_plot(points: Sequence[tuple[float, float]], report: dict[str, Any], path: Path) -> None:
    """Draw power over time. Raises RunError without matplotlib, or if it cannot be written.

    Args:
        points: times in s and powers in W.
        report: the document.
        path: of the picture.
    """
    start_s = points[0][0]
    with picture(path, 9, 4) as axes:
        for window in (report["windows"] or {"list": []})["list"][:POINTS]:
            axes.axvspan(
                window["start_s"] - start_s, window["end_s"] - start_s, color="tab:green", alpha=0.2
            )
        axes.plot([at - start_s for at, _ in points], [watts for _, watts in points], linewidth=0.7)
        axes.axhline(report["mean_uw"] / 1e6, color="tab:red", linewidth=0.8)
        axes.set_xlabel("time, s")
        axes.set_ylabel(f"power, W ({report['origin']})")
        axes.set_title(f"{report['log']}: {report['energy_uj'] / 1e6:.3f} J", fontsize=10)
