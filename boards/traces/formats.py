"""Opens a trace, its format recognised by what it holds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from edge_infer.boards.errors import TraceError
from edge_infer.boards.power import UNUSABLE
from edge_infer.boards.power_csv import PowerLog, is_power_log, read_power_log
from edge_infer.boards.traces import joulescope, mlperf_json, mlperf_tiny, ppk2
from edge_infer.boards.traces.columns import Column
from edge_infer.boards.traces.csv_trace import table_trace
from edge_infer.boards.traces.table import Layout, layout_of
from edge_infer.boards.traces.trace import Trace, checked, edges_around

Format = Literal["edge-infer", "mlperf-tiny", "ppk2", "joulescope", "columns"]
FORMATS: tuple[Format, ...] = get_args(Format)


@dataclass(frozen=True, slots=True)
class TraceOptions:
    """What a file does not say of itself."""

    format: Format | None = None
    supply_v: float | None = None
    columns: tuple[Column, ...] = ()
    inferences: int | None = None
    """How many ran in each window."""
    measured: bool = False
    """An instrument took the columns."""


def recognise(path: Path, columns: Sequence[Column] = ()) -> Format:
    """Return a file's or folder's format, by what it holds. Raises TraceError, OSError."""
    if columns:
        return "columns"
    if path.is_dir():
        return "mlperf-tiny"
    if is_power_log(path):
        return "edge-infer"
    if path.name in mlperf_tiny.TEXTS and any(path.parent.glob(mlperf_tiny.PATTERN)):
        raise TraceError(f"{path} says of a trace what ran in it: name the folder, {path.parent}")
    if mlperf_tiny.is_energy_file(path) or mlperf_json.is_list(path):
        return "mlperf-tiny"
    layout = _layout(path)
    if ppk2.is_ppk2(layout):
        return "ppk2"
    if joulescope.is_joulescope(layout):
        return "joulescope"
    headings = ", ".join(layout.heading) or f"none, {layout.width} columns"
    raise TraceError(
        f"{path} is none of {', '.join(FORMATS[:-1])}; its headings are: {headings}. Name what "
        "stands where, as --columns time_s=0,current_ma=1"
    )


def open_trace(path: Path, options: TraceOptions) -> Trace:
    """Return the trace in a file or folder.

    Raises:
        TraceError: it is of no known format, or an option is missing or of no use.
        DamagedTraceError: it is cut, has gaps, or cannot be right.
        OSError: it cannot be read.
    """
    format = options.format or recognise(path, options.columns)
    if options.columns and format != "columns":
        raise TraceError(f"--columns names the columns of any table; {format} has its own")
    if options.supply_v is not None and format in ("edge-infer", "mlperf-tiny"):
        raise TraceError(f"{format} states powers: leave --supply out")
    return _READERS[format](path, options)


def own_trace(log: PowerLog, name: str) -> Trace:
    """Return the trace in a log of this project. Raises DamagedTraceError."""
    usable = [sample for sample in log.samples if not sample.flags & UNUSABLE]
    middles = [sample.timestamp_ns - sample.interval_ns // 2 for sample in usable]
    stated = log.bounds_stated
    return checked(
        Trace(
            format="edge-infer",
            name=name,
            edges_s=edges_around(np.array(middles, np.float64) / 1e9, name),
            power_w=np.array([sample.power_uw for sample in usable], np.float64) / 1e6,
            origin=log.origin,
            gain_ppm=log.gain_uncertainty_ppm if stated else None,
            offset_uw=log.offset_uncertainty_uw + log.resolution_uw if stated else None,
            left_out=log.left_out,
        )
    )


def _own(path: Path, options: TraceOptions) -> Trace:
    return own_trace(read_power_log(path, up_to_cut=True), str(path))


def _mlperf(path: Path, options: TraceOptions) -> Trace:
    if path.is_dir():
        if not any(path.glob(mlperf_tiny.PATTERN)) and (path / mlperf_json.FILE).exists():
            return mlperf_json.trials_trace(path / mlperf_json.FILE)
        path = mlperf_tiny.energy_file(path)
    if mlperf_json.is_list(path):
        return mlperf_json.trials_trace(path)
    return mlperf_tiny.energy_trace(path, options.inferences)


def _ppk2(path: Path, options: TraceOptions) -> Trace:
    return ppk2.ppk2_trace(path, _layout(path), options.supply_v)


def _joulescope(path: Path, options: TraceOptions) -> Trace:
    return joulescope.joulescope_trace(path, _layout(path), options.supply_v)


def _columns(path: Path, options: TraceOptions) -> Trace:
    if not options.columns:
        raise TraceError("--format columns needs --columns, as time_s=0,current_ma=1")
    origin: Literal["measured", "unknown"] = "measured" if options.measured else "unknown"
    return table_trace(
        path, _layout(path), options.columns, "columns", options.supply_v, origin=origin
    )


def _layout(path: Path) -> Layout:
    if path.is_dir():
        raise TraceError(f"{path} is a folder: name the file in it")
    return layout_of(path)


_READERS: dict[Format, Callable[[Path, TraceOptions], Trace]] = {
    "edge-infer": _own,
    "mlperf-tiny": _mlperf,
    "ppk2": _ppk2,
    "joulescope": _joulescope,
    "columns": _columns,
}
