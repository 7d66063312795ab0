"""One inference of a run's log, checked."""

import json
import math
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

REQUIRED = ("exit", "start_ns", "end_ns")
"""Fields without which a line is no inference."""
INDEX = "class "
"""What a class is called, with its index, where the log has no words."""
GATED = -1
"""Stands for an exit where no stage ran."""
_LIMIT = 1 << 62
_MOST_EXITS = 1000
_INTEGERS = frozenset(
    [
        "number",
        "answer",
        "exit",
        "arrival_ns",
        "start_ns",
        "end_ns",
        "switches",
        "gross_nj",
        "net_nj",
        "uncertainty_nj",
    ]
)
_NUMBERS = frozenset(("confidence", "criterion"))


class RunRow(NamedTuple):
    """One inference. What a log does not carry is None, or empty."""

    number: int | None
    name: str
    answer: str | None
    """In words."""
    true_label: str | None
    confidence: float | None
    """0 to 1."""
    confidence_kind: str | None
    exit: int
    criterion: float | None
    """What the threshold was held against."""
    arrival_ns: int | None
    start_ns: int
    end_ns: int
    missed: bool
    clocks_khz: tuple[int, ...]
    """One a stage."""
    switches: int
    ratio: str
    origin: str | None
    gross_nj: int | None
    net_nj: int | None
    uncertainty_nj: int | None
    gated: bool
    """Answered from the picture before: no stage ran."""
    smoothed: bool
    """The net itself gave another answer."""

    @property
    def left_at(self) -> int:
        """The exit, or GATED."""
        return GATED if self.gated else self.exit


def run_row(fields: Mapping[str, Any]) -> RunRow:
    """Return the inference in a line's fields. Raises ValueError, KeyError for a missing one."""
    exit_, start_ns, end_ns = (_required(fields, name) for name in REQUIRED)
    arrival_ns = _integer(fields, "arrival_ns")
    if not 0 <= exit_ < _MOST_EXITS:
        raise ValueError(f"an exit of {exit_}")
    if end_ns < start_ns or (arrival_ns is not None and arrival_ns > start_ns):
        raise ValueError("it ends before it begins")
    confidence = _number(fields, "confidence")
    named = "true_label" in fields  # older logs have indices under other names
    return RunRow(
        number=_integer(fields, "number"),
        name=_text(fields, "name") or "",
        answer=_text(fields, "label") if named else _word(_integer(fields, "answer")),
        true_label=_text(fields, "true_label"),
        confidence=confidence if named and 0 <= (confidence or 0) <= 1 else None,
        confidence_kind=_text(fields, "confidence_kind"),
        exit=exit_,
        criterion=_number(fields, "criterion"),
        arrival_ns=arrival_ns,
        start_ns=start_ns,
        end_ns=end_ns,
        missed=fields.get("deadline_missed") in (True, "True"),
        clocks_khz=_clocks(fields.get("clock_khz")),
        switches=_integer(fields, "switches") or 0,
        ratio=_text(fields, "ratio") or "1.0",
        origin=_text(fields, "energy_origin"),
        gross_nj=_integer(fields, "gross_nj"),
        net_nj=_integer(fields, "net_nj"),
        uncertainty_nj=_integer(fields, "uncertainty_nj"),
        gated=fields.get("gated") in (True, "True"),
        smoothed=fields.get("net_answer") is not None,
    )


def fields_of_line(line: str) -> Mapping[str, Any]:
    """Return the fields of a JSON line. Raises ValueError."""
    try:
        found = json.loads(line)
    except RecursionError:
        raise ValueError("it is no JSON of an inference") from None
    if not isinstance(found, dict):
        raise ValueError("it is no object")
    return found


def fields_of_cells(cells: Mapping[str, str | None]) -> Mapping[str, Any]:
    """Return the fields of a row of CSV, its numbers read. Raises ValueError."""
    found: dict[str, Any] = {}
    for name, cell in cells.items():
        if name in _INTEGERS:
            found[name] = int(cell) if cell else None
        elif name in _NUMBERS:
            found[name] = float(cell) if cell else None
        else:
            found[name] = cell or None
    clocks = found.get("clock_khz")
    found["clock_khz"] = [int(each) for each in clocks.split()] if clocks else []
    return found


def _required(fields: Mapping[str, Any], name: str) -> int:
    found = _integer(fields, name)
    if found is None:
        raise KeyError(name)
    return found


def _integer(fields: Mapping[str, Any], name: str) -> int | None:
    value = fields.get(name)
    if value is not None and (type(value) is not int or abs(value) >= _LIMIT):
        raise ValueError(f"{name} is {str(value)[:40]!r}")
    return value


def _number(fields: Mapping[str, Any], name: str) -> float | None:
    value = fields.get(name)
    if value is None:
        return None
    if type(value) not in (int, float) or (type(value) is int and abs(value) >= _LIMIT):
        raise ValueError(f"{name} is {str(value)[:40]!r}")
    # A net whose scores overflow has no margin: that is no damage of the log.
    return float(value) if math.isfinite(value) else None


def _text(fields: Mapping[str, Any], name: str) -> str | None:
    value = fields.get(name)
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{name} is {str(value)[:40]!r}")
    return value


def _word(index: int | None) -> str | None:
    return None if index is None else f"{INDEX}{index}"


def _clocks(value: Any) -> tuple[int, ...]:
    if not isinstance(value, list):
        return ()
    if any(type(each) is not int or not 0 <= each < _LIMIT for each in value):
        raise ValueError(f"clock_khz is {str(value)[:40]!r}")
    return cast(tuple[int, ...], tuple(value))
