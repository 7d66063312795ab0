"""The document and the text of `power report` for a trace: its windows, and what each holds."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from edge_infer.boards.traces.trace import Trace
from edge_infer.commands.quantities import energy_text, time_text
from edge_infer.commands.render import table
from edge_infer.lab.traces.apportioning import Apportioned
from edge_infer.lab.traces.window_energy import EnergyFigures

LISTED = 12
"""Windows that the text lists."""


def trace_document(
    trace: Trace, found: Apportioned | None, asked: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the document of `power report --json` (schema power-report.schema.json).

    Args:
        trace: the trace.
        found: what its windows hold; None without windows.
        asked: further keys of `input`: how the trace was read.
    """
    steps = trace.edges_s[1:] - trace.edges_s[:-1]
    known = trace.gain_ppm is not None and trace.offset_uw is not None
    mean_uw = 1e6 * trace.mean_w
    bound = abs(mean_uw) * (trace.gain_ppm or 0) / 1e6 + (trace.offset_uw or 0)
    return {
        "log": trace.name,
        "origin": trace.origin,
        "duration_us": 1e6 * trace.length_s,
        "energy_uj": 1e6 * trace.mean_w * trace.length_s,
        "mean_uw": mean_uw,
        "uncertainty_uw": bound if known else None,
        "least_uw": 1e6 * float(trace.power_w.min()),
        "greatest_uw": 1e6 * float(trace.power_w.max()),
        "samples": len(trace),
        "rate_hz": round(1 / trace.step_s, 3),
        "lost": None,
        "longest_gap_us": 1e6 * float(steps.max()),
        "saturated": None,
        "throttled": None,
        "bus_out_of_range": None,
        "restarts": None,
        "left_out": trace.left_out,
        "input": _input(trace, found, asked),
        **(NO_WINDOWS if found is None else _windows(trace, found)),
    }


NO_WINDOWS: dict[str, Any] = {
    "windows": None,
    "per_inference": None,
    "exits": None,
    "clock": None,
    "published": None,
}
"""Of a report in which nothing tells windows."""


def _input(trace: Trace, found: Apportioned | None, asked: Mapping[str, Any]) -> dict[str, Any]:
    assumptions = [*trace.assumptions, *(found.assumptions if found else ())]
    return {
        "format": trace.format,
        "supply_v": trace.supply_v,
        "columns": dict(trace.columns) or None,
        "channels": list(trace.channels),
        "left_out": trace.left_out,
        "gaps": len(trace.gaps_s),
        "assumptions": assumptions,
        **asked,
    }


def _windows(trace: Trace, found: Apportioned) -> dict[str, Any]:
    energies = found.energies
    return {
        "windows": {
            "source": found.source,
            "count": len(energies.windows),
            "outside": found.outside,
            "list": [
                {
                    "start_s": window.start_s,
                    "end_s": window.end_s,
                    "inferences": window.inferences,
                    "gross_uj": 1e6 * float(gross),
                    "gross_uj_per_inference": 1e6 * float(gross) / window.inferences,
                    "edges_uj": 1e6 * float(edge),
                }
                for window, gross, edge in zip(
                    energies.windows, energies.gross_j, energies.edge_j, strict=True
                )
            ],
        },
        "per_inference": {
            **_figures(found.figures),
            "origin": trace.origin,
            "idle_uw": None if found.idle_w is None else 1e6 * found.idle_w,
        },
        "exits": [{"exit": number, **_figures(figures)} for number, figures in found.exits.items()]
        or None,
        "clock": None if found.clock is None else asdict(found.clock),
        "published": _published(trace, found.figures),
    }


def _figures(figures: EnergyFigures) -> dict[str, Any]:
    return {**asdict(figures), "uncertainty_uj": figures.uncertainty_uj}


def _published(trace: Trace, figures: EnergyFigures) -> dict[str, Any] | None:
    told = trace.published
    if told is None or not told.median_uj:
        return None
    off = 100 * (figures.median_uj / told.median_uj - 1)
    return {"source": told.source, "median_uj": told.median_uj, "off_percent": off}


def windows_text(report: Mapping[str, Any]) -> str:
    """Return what the windows hold as a person reads it; nothing without windows."""
    windows = report["windows"]
    if windows is None:
        return ""
    each = report["per_inference"]
    rows = [
        ["windows", f"{windows['count']}, {each['inferences']} inferences ({windows['source']})"],
        ["an inference, median", f"{_uj(each['median_uj'])} gross ({each['origin']})"],
        ["an inference, mean", f"{_uj(each['mean_uj'])} {_bound(each)}, {_us(each['time_us'])}"],
    ]
    if each["net_mean_uj"] is not None:
        idle = f"above {each['idle_uw'] / 1e3:.6g} mW idle"
        rows.append(
            ["net", f"{_uj(each['net_median_uj'])} median, {_uj(each['net_mean_uj'])} mean, {idle}"]
        )
    if windows["outside"]:
        rows.append(["outside the trace", f"{windows['outside']} inferences of the run"])
    rows += _told(report)
    parts = [table(rows)]
    if report["exits"]:
        parts.append(_exits(report["exits"]))
    elif windows["count"] <= LISTED:
        parts.append(_list(windows["list"]))
    return "\n\n".join(parts)


def _told(report: Mapping[str, Any]) -> list[list[str]]:
    rows = []
    clock, published = report["clock"], report["published"]
    if clock is not None:
        text = (
            f"offset {clock['offset_s']:.6f} s, drift {clock['drift_ppm']:+.1f} "
            f"+- {clock['drift_error_ppm'] or 0:.1f} ppm, off by "
            f"{time_text(1e6 * clock['residual_s'])} rms; {clock['matched']} pairs of "
            f"{clock['marks']} marks and {clock['rows']} inferences, {clock['dropped']} dropped"
        )
        rows.append(["clocks", text])
    if published is not None:
        text = f"{_uj(published['median_uj'])} median ({published['source']})"
        rows.append(["published", f"{text}, ours is {published['off_percent']:+.4f} % off"])
    return rows


def _bound(figures: Mapping[str, Any]) -> str:
    bound = figures["uncertainty_uj"]
    gain = "" if figures["gain_uj"] is not None else ", gain not stated"
    return f"+- ?{gain}" if bound is None else f"+- {_uj(bound)}{gain}"


def _exits(exits: list[dict[str, Any]]) -> str:
    rows = [
        [
            str(one["exit"]),
            str(one["inferences"]),
            _uj(one["mean_uj"]),
            _bound(one),
            "-" if one["net_mean_uj"] is None else _uj(one["net_mean_uj"]),
            _us(one["time_us"]),
        ]
        for one in exits
    ]
    return table(rows, ["exit", "inferences", "gross", "", "net", "time"])


def _list(windows: list[dict[str, Any]]) -> str:
    rows = [
        [
            f"{one['start_s']:.4f} s",
            f"{one['end_s'] - one['start_s']:.4f} s",
            str(one["inferences"]),
            energy_text(one["gross_uj"]),
            _uj(one["gross_uj_per_inference"]),
        ]
        for one in windows
    ]
    return table(rows, ["from", "length", "inferences", "gross", "an inference"])


def _uj(value: float) -> str:
    """Return an energy with the digits that another's figure is held against."""
    return f"{value:.6g} uJ" if abs(value) < 1e6 else f"{value / 1e6:.6g} J"


def _us(value: float) -> str:
    return time_text(value)
