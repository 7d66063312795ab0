"""How many instructions a kernel set's operators take: the shape of the cost model.

The counts are of the kernels that are really dispatched on a core; a board's profile scales them
by the cycles that its published latencies imply. Files: kernels/NAME.toml.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

from edge_infer.boards.cost_table import OpWork
from edge_infer.boards.errors import ProfileError

_FOLDER = Path(__file__).with_name("kernels")
OTHER = "OTHER"
"""Row that stands for every operator without one of its own."""


@dataclass(frozen=True, slots=True)
class OpCounts:
    """Instructions of one operator, per thousand of each quantity of its work."""

    macs: int = 0
    """Multiply-accumulates, over columns and depth as the kernel pads them."""
    taps: int = 0
    """Outputs (padded columns) times window positions: pointers and accumulators of each."""
    pixels: int = 0
    """Output pixels times window positions: a kernel that goes from pixel to pixel."""
    outputs: int = 0
    """Outputs (padded columns): requantise, clamp and store."""
    inputs: int = 0
    """Input elements: pooling and the like."""
    columns: int = 1
    """Output channels that a tile computes at once: fewer are padded to it."""
    depth: int = 1
    """Input channels that a step takes at once."""
    assumed: bool = False
    """Nobody counted it."""

    def instructions(self, op: OpWork) -> float:
        """Return the instructions of one invocation, the operator's start not included."""
        channels = op.channels or self.columns
        columns = _padded(channels, self.columns)
        pixels = op.elements / channels
        depth = op.macs / op.elements / op.taps if op.elements else 0
        steps = pixels * columns * op.taps
        macs = steps * _padded(depth, self.depth) if op.channels else op.macs
        return (
            macs * self.macs
            + steps * self.taps
            + pixels * op.taps * self.pixels
            + pixels * columns * self.outputs
            + (op.inputs or op.elements) * self.inputs
        ) / 1000


@dataclass(frozen=True, slots=True)
class KernelCounts:
    """A kernel set on a core."""

    name: str
    title: str
    source: str
    """How and with what it was counted."""
    start: int
    """Instructions to begin one operator."""
    ops: Mapping[str, Mapping[str, OpCounts]]
    """By arithmetic type and operator."""
    sets: Mapping[str, Mapping[str, int]]
    """Other kernel sets on the same core: time against this one's, in permille, by type."""

    def op(self, dtype: str, name: str) -> OpCounts:
        """Return the row of an operator."""
        rows = self.ops[dtype]
        return rows.get(name, rows[OTHER])

    def set_permille(self, kernel_set: str, dtype: str) -> int:
        """Return the time of another kernel set; 1000 for this one. Raises ProfileError."""
        if not kernel_set:
            return 1000
        if dtype not in self.sets.get(kernel_set, {}):
            known = ", ".join(name for name, types in self.sets.items() if dtype in types)
            raise ProfileError(
                f"no factor from {self.title} to the kernel set {kernel_set} for {dtype}; "
                f"there is: {known or 'none'}"
            )
        return self.sets[kernel_set][dtype]


def kernel_counts_names() -> tuple[str, ...]:
    """Return the names of the kernel sets that come with this package, sorted."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.toml")))


@cache
def load_kernel_counts(name: str) -> KernelCounts:
    """Return a kernel set that comes with this package. Raises ProfileError."""
    if name not in kernel_counts_names():
        known = ", ".join(kernel_counts_names())
        raise ProfileError(f"no kernel counts {name}; there are: {known}")
    return parse_kernel_counts((_FOLDER / f"{name}.toml").read_text("utf-8"), name)


def parse_kernel_counts(text: str, name: str) -> KernelCounts:
    """Return the kernel set in TOML text. Raises ProfileError."""
    try:
        document = tomllib.loads(text)
        types = document["types"]
        return KernelCounts(
            name=name,
            title=document["title"],
            source=document["source"],
            start=_count(document["start"], "start"),
            ops={dtype: _rows(table) for dtype, table in types.items()},
            sets={key: _factors(table) for key, table in document.get("sets", {}).items()},
        )
    except KeyError as error:
        raise ProfileError(f"kernel counts {name}: {error.args[0]} is missing") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise ProfileError(f"kernel counts {name}: {error}") from error


def _rows(table: Mapping[str, Mapping[str, Any]]) -> dict[str, OpCounts]:
    return {op: _row(op, row) for op, row in ({OTHER: table[OTHER]} | dict(table)).items()}


def _row(op: str, row: Mapping[str, Any]) -> OpCounts:
    known = {field.name for field in fields(OpCounts)}
    unknown = sorted(row.keys() - known - {"source"})
    if unknown:
        there = ", ".join(sorted(known))
        raise ValueError(f"{op} has unknown keys {', '.join(unknown)}; known: {there}")
    least = {"columns": 1, "depth": 1}
    counts = {key: row[key] for key in row.keys() & known - {"assumed"}}
    return OpCounts(
        **{key: _count(value, f"{op}.{key}", least.get(key, 0)) for key, value in counts.items()},
        assumed=bool(row.get("assumed", False)),
    )


def _count(value: Any, key: str, least: int = 0) -> int:
    if type(value) is not int or value < least:
        raise ValueError(f"{key} is {value!r}: wants an integer of at least {least}")
    return value


def _factors(table: Mapping[str, Any]) -> dict[str, int]:
    found = {key: value for key, value in table.items() if key not in ("source", "title")}
    return {key: _count(value, key, 1) for key, value in found.items()}


def _padded(count: float, step: int) -> float:
    return -(-count // step) * step
