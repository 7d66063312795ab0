"""A trace out of a table: times, powers or currents and voltages, markers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edge_infer.boards.errors import DamagedTraceError, TraceError
from edge_infer.boards.traces.columns import MARKER, SUPPLY_V, Column
from edge_infer.boards.traces.table import Layout, read_columns
from edge_infer.boards.traces.trace import Numbers, Trace, checked, edges_around


def table_trace(
    path: Path,
    layout: Layout,
    columns: Sequence[Column],
    format: str,
    supply_v: float | None = None,
    extra: Mapping[str, Column] | None = None,
    origin: Literal["measured", "unknown"] = "measured",
) -> Trace:
    """Return the trace in a table.

    Args:
        path: the file.
        layout: how it is written.
        columns: what stands where; they pass `check_columns`.
        format: name of the format.
        supply_v: the supply voltage, where no column has it.
        extra: further digital channels by name.
        origin: whether an instrument took it.

    Raises:
        TraceError: a column is missing, or there is no voltage.
        DamagedTraceError: what stands there can be no trace.
        OSError: it cannot be read.
    """
    _check_voltage(path, columns, supply_v)
    digital = dict(extra or {})
    digital |= {column.at: column for column in columns if column.quantity == MARKER}
    wanted = [*(c for c in columns if c.quantity != MARKER), *digital.values()]
    numbers = read_columns(path, layout, [_index(c, layout, path) for c in wanted])
    found = {c.quantity: numbers[:, at] * c.scale for at, c in enumerate(wanted) if c.unit}
    _check_supply(path, found)
    power = _power(found, supply_v)
    kept = np.isfinite(power) & np.isfinite(found["time"])
    edges = edges_around(
        found["time"][kept], str(path), None if not kept.all() else layout.skipped + 1
    )
    first = len(wanted) - len(digital)
    channels = {name: numbers[kept, first + at] for at, name in enumerate(digital)}
    lost = int((~kept).sum())
    return checked(
        Trace(
            format=format,
            name=str(path),
            edges_s=edges,
            power_w=power[kept],
            origin=origin,
            channels=_levels(channels, path),
            supply_v=None if "voltage" in found or "power" in found else supply_v,
            columns={c.key: c.at for c in columns},
            left_out=f"{lost} readings that are no number" if lost else None,
        )
    )


def _check_voltage(path: Path, columns: Sequence[Column], supply_v: float | None) -> None:
    kinds = {column.quantity for column in columns}
    if kinds & {"power", "voltage"}:
        if supply_v is not None:
            raise TraceError(f"{path} has its own voltage or power: leave --supply out")
        return
    if supply_v is None:
        raise TraceError(
            f"{path} has currents and no voltage: give the board's supply, as --supply 3.3V"
        )


def _check_supply(path: Path, found: Mapping[str, Numbers]) -> None:
    """Raise DamagedTraceError for a column of voltages that no board runs on."""
    volts = found.get("voltage")
    if volts is None or not np.isfinite(volts).any():
        return
    usual = float(np.nanmedian(volts))
    if not SUPPLY_V[0] <= usual <= SUPPLY_V[1]:
        raise DamagedTraceError(
            f"{path}: a supply of {usual:.3g} V (median): is that the column, and its unit?"
        )


def _index(column: Column, layout: Layout, path: Path) -> int:
    return column.index_in(layout.heading, layout.width, str(path))


def _power(found: Mapping[str, Numbers], supply_v: float | None) -> Numbers:
    if "power" in found:
        return found["power"]
    if "voltage" not in found:
        assert supply_v is not None  # checked
        return found["current"] * supply_v
    return found["current"] * found["voltage"]


def _levels(channels: Mapping[str, Numbers], path: Path) -> dict[str, NDArray[np.bool_]]:
    """Return channels as levels: a voltage is high above the middle of its range."""
    levels = {}
    for name, values in channels.items():
        if not np.isfinite(values).all():
            raise DamagedTraceError(f"{path}: the marker {name!r} is no number in places")
        low, high = float(values.min()), float(values.max())
        levels[name] = values > (low + high) / 2 if high > low else values > 0.5
    return levels
