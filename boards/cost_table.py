"""Time and energy of every stage at every operating point, with where each figure comes from.

The table is what the governor plans with and what accounting apportions short windows by.
It is modelled from a profile (`cost_model`) until `edge-infer measure` replaces it.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

from edge_infer.boards.errors import BoardError
from edge_infer.files import write_whole

FORMAT_VERSION = 1

CostOrigin = Literal["measured", "simulated", "modelled", "synthetic"]
"""measured: on hardware; simulated: on a simulated board; modelled: computed from published
figures; synthetic: computed from figures that nobody published."""


class OpWork(NamedTuple):
    """One operator of a TFLite graph."""

    op: str
    """Builtin operator name, for example CONV_2D."""
    macs: int
    """Multiply-accumulates of one invocation."""
    elements: int
    """Elements of the output tensor."""
    channels: int = 0
    """Output channels; 0 where the shape is not known."""
    taps: int = 1
    """Positions of the window: 9 for 3x3."""
    inputs: int = 0
    """Elements of the inputs that are no weights; 0 where not known."""


@dataclass(frozen=True, slots=True)
class Work:
    """One invocation of one stage: its operators in execution order."""

    name: str
    """Name of the stage, unique in its bundle (with the ratio, for prunable stages)."""
    ops: tuple[OpWork, ...]
    decides: bool = True
    """An exit decision follows the invocation (false for the last stage)."""
    first: bool = True
    """An inference begins with it: what is done once a frame is counted here."""
    dtype: str = "int8"
    """Arithmetic of the kernels: int8, uint8 or float32."""
    bare: bool = False
    """The invocation alone, nothing of this project's code around it."""

    @property
    def macs(self) -> int:
        """Multiply-accumulates of all operators."""
        return sum(op.macs for op in self.ops)


@dataclass(frozen=True, slots=True, order=True)
class OperatingPoint:
    """One setting of the knobs a board offers; the key of a cost table row."""

    clock_khz: int
    """Processor clock in kHz, as cpufreq lists it; 0 where the clock cannot be known."""
    threads: int = 1
    """Threads the interpreter uses, 1 or more."""
    level: str = ""
    """Performance level of an accelerator ("max", "high", ...); empty where there is none."""

    def __str__(self) -> str:
        text = f"{self.clock_khz / 1000:g} MHz"
        if self.threads != 1:
            text += f" x {self.threads}"
        return f"{text} {self.level}" if self.level else text


class CostTableError(BoardError, ValueError):
    """A cost table cannot be read, or lacks a row that is asked for."""


@dataclass(frozen=True, slots=True)
class CostRow:
    """One stage at one operating point."""

    time_ns: int
    """Mean time from the start of the invocation to the end of its exit decision, overhead
    included."""
    energy_nj: int
    """Mean gross board energy over `time_ns`, idle power included."""
    overhead_ns: int
    """The part of `time_ns` that is decision and runtime, not the invocation."""
    time_spread_ns: int = 0
    """Standard deviation of the time."""
    energy_spread_nj: int = 0
    """Standard deviation of the energy."""
    origin: CostOrigin = "modelled"

    @property
    def power_uw(self) -> int:
        """Mean board power while the stage runs."""
        return self.energy_nj * 1_000_000 // self.time_ns if self.time_ns else 0


@dataclass(frozen=True, slots=True)
class SwitchCost:
    """One change of the operating point."""

    time_ns: int
    energy_nj: int
    """Gross board energy over `time_ns`."""
    origin: CostOrigin = "modelled"


@dataclass(frozen=True)
class CostTable:
    """Rows by stage name and operating point, plus what belongs to the board alone."""

    board: str
    rows: Mapping[tuple[str, OperatingPoint], CostRow]
    switch: SwitchCost
    idle_uw: Mapping[int, int]
    """Idle board power in uW by clock in kHz."""
    idle_reference_uw: int
    """Idle power that net energy subtracts, one for all policies: lowest clock, interpreter
    loaded, no frames."""
    notes: tuple[str, ...] = field(default=())
    """What a reader must know: synthetic inputs, conditions of the measurement."""
    bundle: str = ""
    """Name and version of the bundle that was measured; empty for a modelled table."""
    backend: str = ""
    """Kernels that were measured; empty for a modelled table."""

    def row(self, stage: str, point: OperatingPoint) -> CostRow:
        """Return the row of a stage at a point. Raises CostTableError when it is missing."""
        try:
            return self.rows[stage, point]
        except KeyError:
            raise CostTableError(
                f"the cost table of {self.board} has no row for stage {stage} at {point}; "
                f"fill it with: edge-infer measure BUNDLE --board {self.board}"
            ) from None

    @property
    def points(self) -> tuple[OperatingPoint, ...]:
        """The operating points that have rows, ascending."""
        return tuple(sorted({point for _, point in self.rows}))

    @property
    def stages(self) -> tuple[str, ...]:
        """The stage names, in the order of their first row."""
        return tuple(dict.fromkeys(stage for stage, _ in self.rows))

    @property
    def synthetic(self) -> bool:
        """True when any row rests on figures that nobody published."""
        return any(row.origin == "synthetic" for row in self.rows.values())

    @property
    def has_energies(self) -> bool:
        """False of a board without a meter: times alone are known, and the energies are 0."""
        rows = ((row.energy_nj, row.energy_spread_nj) for row in self.rows.values())
        board = self.idle_reference_uw, self.switch.energy_nj, *self.idle_uw.values()
        return any(board) or any(map(any, rows))

    def need_energies(self, name: str) -> None:
        """Raise CostTableError unless there are energies: what is free is always chosen."""
        if not self.has_energies:
            raise CostTableError(
                f"{name} has no energies: it was measured without a meter; fill it with a meter "
                "(edge-infer doctor), or leave --cost-table out"
            )

    def to_json(self) -> str:
        """Return the table as JSON text, format version 1; energies that are not known are null."""
        document = {
            "format": "edge-infer cost table",
            "format_version": FORMAT_VERSION,
            "board": self.board,
            "switch": asdict(self.switch),
            "idle_uw": {str(khz): uw for khz, uw in self.idle_uw.items()},
            "idle_reference_uw": self.idle_reference_uw,
            "notes": list(self.notes),
            "bundle": self.bundle,
            "backend": self.backend,
            "rows": [
                {"stage": stage, **asdict(point), **asdict(row)}
                for (stage, point), row in self.rows.items()
            ],
        }
        if not self.has_energies:
            document = _without_energies(document)
        return json.dumps(document, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "CostTable":
        """Read what `to_json` wrote. Raises CostTableError with the reason."""
        try:
            document: dict[str, Any] = json.loads(text, object_pairs_hook=_null_as_0)
            if document.get("format_version") != FORMAT_VERSION:
                raise CostTableError(
                    f"cost table of format version {document.get('format_version')}, "
                    f"this program reads {FORMAT_VERSION}"
                )
            return cls(
                board=document["board"],
                rows=dict(_row_from(entry) for entry in document["rows"]),
                switch=SwitchCost(**document["switch"]),
                idle_uw={int(khz): uw for khz, uw in document["idle_uw"].items()},
                idle_reference_uw=document["idle_reference_uw"],
                notes=tuple(document["notes"]),
                bundle=document["bundle"],
                backend=document["backend"],
            )
        except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
            raise CostTableError(f"not a cost table: {error!r}") from error

    def save(self, path: Path) -> None:
        """Write the table; a reader never sees half of it."""
        write_whole(path, self.to_json())


def _row_from(entry: dict[str, Any]) -> tuple[tuple[str, OperatingPoint], CostRow]:
    fields = dict(entry)
    stage = fields.pop("stage")
    point = OperatingPoint(*(fields.pop(name) for name in ("clock_khz", "threads", "level")))
    return (stage, point), CostRow(**fields)


def _without_energies(value: Any, name: str = "") -> Any:
    """Return a document with null for every energy and power in it."""
    if isinstance(value, dict):
        return {key: _without_energies(inner, f"{name}.{key}") for key, inner in value.items()}
    if isinstance(value, list):
        return [_without_energies(inner, name) for inner in value]
    return None if any(unit in name for unit in ("_nj", "_uw")) else value


def _null_as_0(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object, 0 for the energies that a table does not have."""
    return {key: 0 if value is None else value for key, value in pairs}
