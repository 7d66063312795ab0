"""Reads a TOML table key by key and remembers every complaint, so one message names them all."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, get_args

Basis = Literal["published", "derived", "synthetic", "measured", "simulated"]
"""published: the source states this number; derived: computed from published or own measured
figures as the source says; synthetic: nobody published it, the source says what was assumed;
measured: a survey of the board itself; simulated: a survey of a simulated board."""
SURVEYED: tuple[Basis, ...] = ("measured", "simulated")
"""Such a figure says with what method, when, and under which firmware."""
SURVEY_KEYS = ("method", "date", "firmware")

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Figure:
    """Where a number comes from."""

    source: str
    basis: Basis = "published"
    low: int | None = None
    """The least that it may be, where the source does not settle it."""
    high: int | None = None
    """The most that it may be."""
    method: str = ""
    """How a survey found it; empty for a figure of another basis, like the next two."""
    date: str = ""
    firmware: str = ""


class TomlReader:
    """One table of a document. A figure is a subtable with `value`, `source` and `basis`."""

    def __init__(
        self,
        table: Mapping[str, Any],
        path: str = "",
        complaints: list[str] | None = None,
        figures: dict[str, Figure] | None = None,
    ) -> None:
        self._table = table
        self._path = path
        self._seen: set[str] = set()
        self.complaints = complaints if complaints is not None else []
        """What is wrong, one entry a key; shared by all tables of the document."""
        self.figures = figures if figures is not None else {}
        """Where each number comes from, by dotted key; shared likewise."""

    def text(self, key: str, default: str | None = None) -> str:
        """Return a string."""
        return self._typed(key, str, default, "")

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of strings; empty when absent."""
        value = self._typed(key, list, [], [])
        if all(isinstance(entry, str) for entry in value):
            return tuple(value)
        self.complain(key, "must be a list of strings")
        return ()

    def plain_integer(self, key: str) -> int:
        """Return an integer that is no measured quantity (a version, a thread count)."""
        return self._typed(key, int, None, 0)

    def whole(self, key: str, default: int) -> int:
        """Return such an integer; the default when absent."""
        return self._typed(key, int, default, default)

    def flag(self, key: str, default: bool) -> bool:
        """Return true or false; the default when absent."""
        return self._typed(key, bool, default, default)

    def limits(self, key: str) -> tuple[float, float]:
        """Return two plain numbers, at least 0 and the lower first."""
        value = self._typed(key, list, None, [0, 0])
        if len(value) != 2 or not all(type(v) in (int, float) for v in value):
            self.complain(key, f"must be two numbers, [least, most], not {value!r}")
            return 0.0, 0.0
        low, high = map(float, value)
        if not 0 <= low <= high < float("inf"):
            self.complain(key, f"must be two numbers from 0 on, the lower first, not {value!r}")
        return low, high

    def integer(self, key: str, least: int = 0, most: int | None = None) -> int:
        """Return the integer figure `key`, at least `least`, and so is its range."""
        value, figure = self._figure(key), self.figures.get(self._dotted(key))
        if value is None:
            return least
        ends = () if figure is None or figure.low is None else (figure.low, figure.high)
        for name, each in zip(("value", "low", "high"), (value, *ends), strict=False):
            if type(each) is not int or each < least or (most is not None and each > most):
                within = f"at least {least}" + ("" if most is None else f", at most {most}")
                self.complain(key, f"{name} must be an integer of {within}, not {each!r}")
                return least
        return int(value)

    def integers(self, key: str) -> tuple[int, ...]:
        """Return the figure `key`, a list of positive integers."""
        value = self._figure(key)
        if isinstance(value, list) and all(type(v) is int and v > 0 for v in value):
            return tuple(value)
        if value is not None:
            self.complain(key, "value must be a list of positive integers")
        return ()

    def table(self, key: str) -> "TomlReader":
        """Return the subtable `key`."""
        return self._child(self._typed(key, dict, None, {}), key)

    def optional_table(self, key: str) -> "TomlReader | None":
        """Return the subtable `key`, or None when it is absent."""
        return self.table(key) if key in self._table else None

    def tables(self, key: str) -> list["TomlReader"]:
        """Return the array of tables `key`; empty when absent."""
        entries = self._typed(key, list, [], [])
        return [self._child(entry, f"{key}[{i}]") for i, entry in enumerate(entries)]

    @property
    def names(self) -> tuple[str, ...]:
        """The keys of the table in file order."""
        return tuple(self._table)

    def done(self) -> None:
        """Complain about every key that nobody asked for."""
        for key in self._table:
            if key not in self._seen:
                self.complain(key, "unknown key")

    def complain(self, key: str, reason: str) -> None:
        """Note what is wrong with a key."""
        self.complaints.append(f"{self._dotted(key)}: {reason}")

    def _child(self, table: Any, key: str) -> "TomlReader":
        if not isinstance(table, dict):
            self.complain(key, "must be a table")
            table = {}
        return TomlReader(table, self._dotted(key), self.complaints, self.figures)

    def _figure(self, key: str) -> Any:
        """Return the raw value of a figure; complain and return None if it is not one."""
        self._seen.add(key)
        entry = self._table.get(key)
        if entry is None:
            self.complain(key, "missing")
            return None
        if not isinstance(entry, dict) or "value" not in entry:
            self.complain(key, "a number needs a table with value and source")
            return None
        self.figures[self._dotted(key)] = self._origin(key, entry)
        return entry["value"]

    def _origin(self, key: str, entry: Mapping[str, Any]) -> Figure:
        source, basis = entry.get("source", ""), entry.get("basis", "published")
        if not isinstance(source, str) or not source.strip():
            self.complain(key, "no source")
        if basis not in get_args(Basis):
            self.complain(key, f"basis must be one of {', '.join(get_args(Basis))}")
        for extra in entry.keys() - {"value", "source", "basis", "low", "high", *SURVEY_KEYS}:
            self.complain(f"{key}.{extra}", "unknown key")
        low, high = entry.get("low"), entry.get("high")
        if (low, high) != (None, None) and not _around(entry["value"], low, high):
            self.complain(key, f"low and high must lie around the value, not {low!r}, {high!r}")
            low = high = None
        return Figure(str(source), basis, low, high, **self._survey(key, entry, basis))

    def _survey(self, key: str, entry: Mapping[str, Any], basis: Basis) -> dict[str, str]:
        """Return how, when and under what a surveyed figure was found; all three, or none."""
        told = {name: entry[name] for name in SURVEY_KEYS if name in entry}
        if basis not in SURVEYED:
            for name in told:
                self.complain(f"{key}.{name}", f"goes with basis {' or '.join(SURVEYED)}")
            return {}
        for name in SURVEY_KEYS:
            if not isinstance(told.get(name), str) or not told[name].strip():
                self.complain(f"{key}.{name}", f"a figure that is {basis} says its {name}")
        return {name: str(value) for name, value in told.items()}

    def _typed(self, key: str, kind: type[_T], default: _T | None, fallback: _T) -> _T:
        self._seen.add(key)
        value = self._table.get(key, default)
        if value is None:
            self.complain(key, "missing")
            return fallback
        if type(value) is not kind:
            self.complain(key, f"must be a {kind.__name__}, not {value!r}")
            return fallback
        return value

    def _dotted(self, key: str) -> str:
        return f"{self._path}.{key}" if self._path else key


def _around(value: Any, low: Any, high: Any) -> bool:
    return all(type(v) is int for v in (value, low, high)) and low <= value <= high
