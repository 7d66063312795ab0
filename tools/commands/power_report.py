"""`edge-infer power report`: what a recorded file amounts to, with a plot on request."""

from pathlib import Path
from typing import Any

import click

from edge_infer.boards.power_csv import PowerLog, read_power_log
from edge_infer.boards.power_summary import summarise
from edge_infer.commands.options import json_option, option
from edge_infer.commands.render import emit, picture, table, warn

POINTS = 4000
"""Points of a plot: more than a page has pixels."""


@click.command("report", short_help="Sum up a recorded file: joules, watts, gaps.")
@click.argument("log", type=click.Path(path_type=Path, dir_okay=False))
@option("--plot", type=click.Path(path_type=Path, dir_okay=False), help="Picture to write.")
@json_option
def report_command(log: Path, plot: Path | None, as_json: bool) -> None:
    """Sum up a file of `power record` or `power stream`: energy, mean power, what was lost.

    CSV and JSON lines are read up to what is whole; what is not is counted.
    """
    recorded = read_power_log(log, up_to_cut=True)
    if recorded.left_out is not None:
        warn(f"left out {recorded.left_out}")
    document = report_document(recorded, str(log))
    if plot is not None:
        save_plot(recorded, document, plot)
    emit(as_json, document, _text(document))


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
    }


def _text(report: dict[str, Any]) -> str:
    bound_uw = report["uncertainty_uw"]
    bound = "+- ?, the log states no bound" if bound_uw is None else f"+- {bound_uw / 1e6:.4f} W"
    rows = [
        ["energy", f"{report['energy_uj'] / 1e6:.4f} J in {report['duration_us'] / 1e6:.3f} s"],
        [
            "mean power",
            f"{report['mean_uw'] / 1e6:.4f} W {bound} ({report['origin']})",
        ],
        [
            "least, greatest",
            f"{report['least_uw'] / 1e6:.4f} W, {report['greatest_uw'] / 1e6:.4f} W",
        ],
        ["samples", f"{report['samples']}, {report['rate_hz']:g} a second, {report['lost']} lost"],
        ["longest gap", f"{report['longest_gap_us'] / 1000:.2f} ms"],
        ["saturated, throttled", f"{report['saturated']}, {report['throttled']}"],
    ]
    if report["bus_out_of_range"]:
        text = (
            f"{report['bus_out_of_range']}, near 0 or at the end of the range: no power of a board"
        )
        rows.append(["bus voltage", text])
    if report["restarts"]:
        rows.append(["restarts", f"{report['restarts']}, the time between is not counted"])
    return f"{report['log']}\n{table(rows)}"


def save_plot(log: PowerLog, report: dict[str, Any], path: Path) -> None:
    """Draw power over time. Raises RunError without matplotlib, or if it cannot be written."""
    step = max(1, len(log.samples) // POINTS)
    shown = log.samples[::step]
    start_ns = log.samples[0].timestamp_ns
    with picture(path, 9, 4) as axes:
        axes.plot(
            [(s.timestamp_ns - start_ns) / 1e9 for s in shown],
            [s.power_uw / 1e6 for s in shown],
            linewidth=0.7,
        )
        axes.axhline(report["mean_uw"] / 1e6, color="tab:red", linewidth=0.8)
        axes.set_xlabel("time, s")
        axes.set_ylabel(f"power, W ({log.origin})")
        axes.set_title(f"{report['log']}: {report['energy_uj'] / 1e6:.3f} J", fontsize=10)
