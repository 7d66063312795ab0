"""Tables that nRF Connect's Power Profiler exports from a PPK2.

`Timestamp(ms),Current(uA),D0-D7,D0,D1,D2,D3,D4,D5,D6,D7`, each a choice in its dialogue
(github.com/NordicSemiconductor/pc-nrfconnect-ppk, exportChartAction): one reading each 10 us, the
channels as one text of eight digits, D0 first, or as eight columns. It states no voltage.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_infer.boards.errors import DamagedTraceError, TraceError
from edge_infer.boards.traces.columns import Column
from edge_infer.boards.traces.csv_trace import table_trace
from edge_infer.boards.traces.table import Layout, read_columns
from edge_infer.boards.traces.trace import Trace

NAME = "ppk2"
TIME, CURRENT, TOGETHER = "Timestamp(ms)", "Current(uA)", "D0-D7"
CHANNELS = tuple(f"D{number}" for number in range(8))


def is_ppk2(layout: Layout) -> bool:
    """Return whether a table has the app's headings."""
    return CURRENT in layout.heading and layout.heading[0] in (TIME, CURRENT)


def ppk2_trace(path: Path, layout: Layout, supply_v: float | None) -> Trace:
    """Return the trace in an export. Raises TraceError, OSError."""
    if TIME not in layout.heading or CURRENT not in layout.heading:
        raise TraceError(
            f"{path} has no column {TIME if CURRENT in layout.heading else CURRENT}: export it "
            "with timestamps and current ticked"
        )
    columns = Column("time", "ms", TIME), Column("current", "ua", CURRENT)
    apart = {name: Column("marker", "", name) for name in CHANNELS if name in layout.heading}
    trace = table_trace(path, layout, columns, NAME, supply_v, apart)
    if apart or TOGETHER not in layout.heading:
        return trace
    return replace(trace, channels=_together(path, layout, len(trace)))


def _together(path: Path, layout: Layout, count: int) -> dict[str, NDArray[np.bool_]]:
    """Return the channels of a column of eight digits, which reads as a decimal number."""
    digits = read_columns(path, layout, [layout.heading.index(TOGETHER)])[:, 0]
    if len(digits) != count or not ((digits >= 0) & (digits < 10**8)).all():
        raise DamagedTraceError(f"{path}: {TOGETHER} is no eight digits in places")
    whole = digits.astype(np.int64)
    bits = {name: whole // 10 ** (7 - number) % 10 for number, name in enumerate(CHANNELS)}
    if any((bit > 1).any() for bit in bits.values()):
        raise DamagedTraceError(f"{path}: {TOGETHER} holds digits other than 0 and 1")
    return {name: bit.astype(bool) for name, bit in bits.items()}
