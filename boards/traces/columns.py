"""Which column of a table holds what, and its unit: `time_s=0,current_ma=Current,marker=D0`."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from edge_infer.boards.errors import TraceError

UNITS: Mapping[str, Mapping[str, float]] = {
    "time": {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9},
    "power": {"w": 1.0, "mw": 1e-3, "uw": 1e-6, "nw": 1e-9},
    "current": {"a": 1.0, "ma": 1e-3, "ua": 1e-6, "na": 1e-9},
    "voltage": {"v": 1.0, "mv": 1e-3, "uv": 1e-6},
}
"""Quantity -> unit -> what one of it is in s, W, A or V."""
_UNIT = re.compile(r"[(\[]\s*(\w+)\s*[)\]]")
MARKER = "marker"
SUPPLY_V = (0.5, 60.0)
"""Supplies of boards lie between."""
FORM = "--columns time_s=0,current_ma=2,voltage_v=3,marker=D0"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    Args:
        quantity: time, power, current, voltage or marker.
        unit: as in `UNITS`; empty for a marker.
        at: its heading, or its number from 0.
    """

    quantity: str
    unit: str
    at: str

    @property
    def scale(self) -> float:
        """What one of its unit is in s, W, A or V."""
        return UNITS[self.quantity][self.unit] if self.unit else 1.0

    @property
    def key(self) -> str:
        """As it is written: current_ma."""
        return f"{self.quantity}_{self.unit}" if self.unit else self.quantity

    def index_in(self, heading: Sequence[str], width: int, name: str) -> int:
        """Return its number among a table's columns. Raises TraceError."""
        named = [number for number, cell in enumerate(heading) if cell == self.at]
        if len(named) > 1:
            raise TraceError(f"{name} has {len(named)} columns {self.at!r}: give its number from 0")
        if not named and self.at.isdecimal() and int(self.at) < width:
            named = [int(self.at)]
        if named:
            self._check_unit(heading[named[0]] if heading else "", name)
            return named[0]
        there = ", ".join(heading) if heading else f"numbers 0 to {width - 1}, no headings"
        raise TraceError(f"{name} has no column {self.at!r} for {self.key}; it has: {there}")

    def _check_unit(self, heading: str, name: str) -> None:
        """Raise TraceError where a heading states another unit of the quantity."""
        stated = _UNIT.search(heading)
        unit = stated[1].lower().replace("\N{MICRO SIGN}", "u") if stated else self.unit
        if unit != self.unit and unit in UNITS.get(self.quantity, {}):
            raise TraceError(
                f"{name}: its heading {heading!r} says {unit}, --columns {self.unit}: which is it? "
                f"write {self.quantity}_{unit}={self.at}, or mend the heading"
            )


def parse_columns(text: str) -> tuple[Column, ...]:
    """Return the columns that a text names. Raises TraceError."""
    columns = tuple(_column(part.strip()) for part in text.split(",") if part.strip())
    check_columns(columns)
    return columns


def check_columns(columns: Iterable[Column]) -> None:
    """Raise TraceError unless there is a time and what gives a power, each once."""
    kinds = [column.quantity for column in columns]
    twice = sorted({kind for kind in kinds if kinds.count(kind) > 1})
    if twice:
        raise TraceError(f"two columns for {twice[0]}: name one of each, as {FORM}")
    if "time" not in kinds:
        raise TraceError(f"no column for the time; name it with its unit, as {FORM}")
    if "power" in kinds and "current" in kinds:
        raise TraceError("a power and a current: name one of them, the other says the same")
    if not {"power", "current"} & set(kinds):
        raise TraceError(f"no column for a power or a current; name one with its unit, as {FORM}")


def _column(part: str) -> Column:
    key, sign, at = (piece.strip() for piece in part.partition("="))
    quantity, _, unit = key.lower().partition("_")
    if sign and at and quantity == MARKER and not unit:
        return Column(MARKER, "", at)
    if not sign or not at or unit not in UNITS.get(quantity, {}):
        keys = ", ".join(f"{kind}_{'|'.join(units)}" for kind, units in UNITS.items())
        raise TraceError(f"{part!r} names no column; write KEY=NAME with a key of {keys}, marker")
    return Column(quantity, unit, at)
