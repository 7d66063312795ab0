"""Tables that a Joulescope's programs write: the UI's export, and the logs of its examples.

`#time (s),current (A),voltage (V)` (pyjoulescope_ui, data export) and
`time,current,voltage,power,charge,energy` in SI units (pyjoulescope_examples, downsample_logging).
Readings that it lost are written as nan. `current_lsb` and `gpi0` to `gpi3` are digital channels.
"""

import re
from pathlib import Path

from edge_infer.boards.errors import TraceError
from edge_infer.boards.traces.columns import Column, check_columns
from edge_infer.boards.traces.csv_trace import table_trace
from edge_infer.boards.traces.table import Layout
from edge_infer.boards.traces.trace import Trace

NAME = "joulescope"
_SIGNALS = {
    "time": ("time", "s"),
    "current": ("current", "a"),
    "voltage": ("voltage", "v"),
    "power": ("power", "w"),
}
_HEADING = re.compile(
    r"(?P<signal>[a-z][a-z0-9_ ]*?)\s*(?:[(\[](?P<unit>\w+)[)\]])?", re.IGNORECASE
)
_DIGITAL = re.compile(r"(gpi|general purpose input|in|current_lsb|voltage_lsb|trigger)\D*\d*")


def is_joulescope(layout: Layout) -> bool:
    """Return whether a table has the headings: a time first, then a current and a voltage."""
    signals = [_signal(cell)[0] for cell in layout.heading]
    return signals[:1] == ["time"] and {"current", "voltage"} <= set(signals[1:])


def joulescope_trace(path: Path, layout: Layout, supply_v: float | None) -> Trace:
    """Return the trace in an export: its power where it has one. Raises TraceError, OSError."""
    found = {}
    extra = {}
    for cell in layout.heading:
        signal, unit = _signal(cell)
        if signal in _SIGNALS:
            kind, expected = _SIGNALS[signal]
            if unit not in ("", expected):
                raise TraceError(f"{path}: {cell!r} is in {unit}: name it with --columns")
            found[kind] = Column(kind, expected, cell)
        elif _DIGITAL.fullmatch(signal):
            extra[signal] = Column("marker", "", cell)
    if "power" in found:
        found.pop("current", None)
        found.pop("voltage", None)
    check_columns(found.values())
    return table_trace(path, layout, tuple(found.values()), NAME, supply_v, extra)


def _signal(cell: str) -> tuple[str, str]:
    match = _HEADING.fullmatch(cell.strip())
    return (match["signal"].lower(), (match["unit"] or "").lower()) if match else (cell, "")
