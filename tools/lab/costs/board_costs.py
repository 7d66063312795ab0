"""What a bundle costs on a board: its cost table, and what leaving at each exit costs by it.

Beside the stages stands the classic net: the same net without its early exits, as one model.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path

from edge_infer.boards import open_board
from edge_infer.boards.cost_table import (
    CostOrigin,
    CostRow,
    CostTable,
    OperatingPoint,
    OpWork,
    Work,
)
from edge_infer.boards.profile import BoardProfile
from edge_infer.boards.simulated import SimulatedBoard
from edge_infer.models_tflite import Bundle
from edge_infer.models_tflite.graph import Graph
from edge_infer.models_tflite.manifest import FULL_RATIO, BackendInfo
from edge_infer.models_tflite.ops import list_ops
from edge_infer.models_tflite.plain_net import plain_net
from edge_infer.runtime.errors import PolicyError, RunError
from edge_infer.runtime.stage_costs import all_works, measured_table, row_name, switch_work

CLASSIC = "classic"
"""Name of the classic net's one stage, at full width."""


def board_table(
    bundle: Bundle, board: str, more: Sequence[Work] = (), profile: BoardProfile | None = None
) -> CostTable:
    """Return a board's cost table of a bundle's stages and of its classic net, at all ratios.

    Args:
        bundle: an open bundle.
        board: its name.
        more: further works to price.
        profile: the simulated board with other figures than those that come with this package.

    Raises:
        RunError: the board has no cost table.
        UnknownBoardError: there is no such board.
    """
    works = [*bundle_works(bundle), *more]
    if profile is not None:
        return SimulatedBoard(profile, name=board).cost_table(works)
    with open_board(board) as opened:
        table = opened.cost_table(works)
    if table is None:
        raise RunError(
            f"{board} has no cost table: simulated boards have one, for others run "
            f"edge-infer measure {bundle.manifest.name} --board {board}, then give --cost-table"
        )
    return table


def bundle_works(bundle: Bundle) -> list[Work]:
    """Return the stages of a bundle and its classic net, at all ratios, and a change of ratio."""
    classic = [plain_work(bundle, r, row_name(CLASSIC, r)) for r in bundle.manifest.ratios]
    return [*all_works(bundle), *classic, switch_work(bundle.manifest, FULL_RATIO)]


def plain_work(bundle: Bundle, ratio: str, name: str, leaving: int = -1) -> Work:
    """Return the work of one exit alone: one invocation, no other exit heads, no decision."""
    ops = list_ops(Graph(plain_net(bundle, ratio, leaving).model))
    arithmetic = bundle.manifest.stages[leaving].arithmetic
    return Work(name, tuple(OpWork(*op) for op in ops), decides=False, dtype=arithmetic)


def with_classic(table: CostTable, bundle: Bundle) -> CostTable:
    """Return a measured table with the classic net at every ratio that was measured.

    A big net was measured as a stage; where the last stage goes on from others, the classic net is
    taken as the sum of the stages.
    """
    if CLASSIC in table.stages:
        return table
    stages = bundle.manifest.stages
    whole = stages[-1:] if stages[-1].input.reads == "frame" else stages
    rows, known = dict(table.rows), set(table.stages)
    for ratio in bundle.manifest.ratios:
        names = [row_name(stage.name, ratio) for stage in whole]
        if known.issuperset(names):
            for point in table.points:
                rows[row_name(CLASSIC, ratio), point] = _sum(table, names, point)
    if len(whole) == 1:
        return replace(table, rows=rows)
    note_text = "the classic net is the sum of the stages, exit heads included"
    return replace(table, rows=rows, notes=(*table.notes, note_text))


def _sum(table: CostTable, stages: Sequence[str], point: OperatingPoint) -> CostRow:
    parts = [table.row(stage, point) for stage in stages]
    return replace(
        parts[0],
        time_ns=sum(p.time_ns for p in parts),
        energy_nj=sum(p.energy_nj for p in parts),
        overhead_ns=parts[-1].overhead_ns,
        time_spread_ns=round(math.hypot(*(p.time_spread_ns for p in parts))),
        energy_spread_nj=round(math.hypot(*(p.energy_spread_nj for p in parts))),
    )


@dataclass(frozen=True)
class NetCost:
    """One inference: energy above the board's idle power."""

    time_ns: float
    energy_nj: float
    """Net, decision and runtime overhead included."""
    execution_nj: float
    """Net, for the invocations of the nets alone."""

    def __add__(self, other: "NetCost") -> "NetCost":
        return NetCost(
            self.time_ns + other.time_ns,
            self.energy_nj + other.energy_nj,
            self.execution_nj + other.execution_nj,
        )


@dataclass(frozen=True)
class ExitCosts:
    """Cost of an inference by the exit it leaves at."""

    board: str
    point: OperatingPoint
    names: tuple[str, ...]
    exits: tuple[NetCost, ...]
    """All stages up to and including the exit's."""
    plain: NetCost
    """The last exit's net in one invocation, without exit heads or decisions."""
    origin: CostOrigin
    """The weakest of the rows used."""
    notes: tuple[str, ...]

    @property
    def energy_nj(self) -> tuple[float, ...]:
        """Net energy by exit, overhead included."""
        return tuple(cost.energy_nj for cost in self.exits)

    def expected(self, shares: Sequence[float]) -> NetCost:
        """Return the mean cost when these shares of the inputs leave at the exits."""
        return NetCost(
            *(
                sum(share * value for share, value in zip(shares, values, strict=True))
                for values in zip(
                    *((c.time_ns, c.energy_nj, c.execution_nj) for c in self.exits), strict=True
                )
            )
        )


def read_costs(
    bundle: Bundle,
    board: str,
    backend: BackendInfo,
    cost_table: Path | None = None,
    clock_mhz: int | None = None,
) -> ExitCosts:
    """Return the costs of a bundle's exits on a board.

    Args:
        bundle: an open bundle.
        board: name of a board with a cost table, for example sim:raspberry-pi-5.
        backend: the kernels that a measured table must be of.
        cost_table: a table that was measured on the board, instead.
        clock_mhz: one of its clocks; the highest if None.

    Raises:
        RunError: the board has no cost table, or the given one is of another board, bundle
            or backend.
        SourceMissingError: there is no such file.
        PolicyError: the board does not offer the clock.
    """
    if cost_table is None:
        return exit_costs(bundle, board_table(bundle, board), clock_mhz)
    table = measured_table(cost_table, bundle, board, str(backend))
    return exit_costs(bundle, with_classic(table, bundle), clock_mhz)


def exit_costs(bundle: Bundle, table: CostTable, clock_mhz: int | None = None) -> ExitCosts:
    """Return the costs at one clock, on one thread if the table has it.

    Args:
        bundle: its stages, and the plain net as the stage "classic", must stand in the table.
        table: of the board.
        clock_mhz: one of the table's clocks; the highest if None.

    Raises:
        PolicyError: the board does not offer the clock; says which it does.
        CostTableError: a row is missing.
    """
    point = _point(table, clock_mhz)
    names = tuple(stage.name for stage in bundle.manifest.stages)
    rows = [table.row(name, point) for name in (*names, CLASSIC)]
    *stages, plain = (net_cost(row, table.idle_reference_uw) for row in rows)
    return ExitCosts(
        board=table.board,
        point=point,
        names=names,
        exits=tuple(accumulate(stages)),
        plain=plain,
        origin=weakest_origin(rows),
        notes=table.notes,
    )


def weakest_origin(rows: Iterable[CostRow]) -> CostOrigin:
    """Return the weakest origin: synthetic before modelled before simulated before measured."""
    ranks: tuple[CostOrigin, ...] = ("measured", "simulated", "modelled", "synthetic")
    return max((row.origin for row in rows), key=ranks.index)


def _point(table: CostTable, clock_mhz: int | None) -> OperatingPoint:
    fewest = min(point.threads for point in table.points)
    points = {p.clock_khz: p for p in table.points if p.threads == fewest}
    if clock_mhz is None:
        return points[max(points)]
    if clock_mhz * 1000 not in points:
        offered = ", ".join(f"{khz / 1000:g}" for khz in sorted(points))
        raise PolicyError(f"{table.board} has no clock of {clock_mhz} MHz; it has {offered}")
    return points[clock_mhz * 1000]


def net_cost(row: CostRow, idle_uw: int) -> NetCost:
    """Return a row above the idle power."""
    energy_nj = row.energy_nj - idle_uw * row.time_ns / 1e6
    # On one thread the power above idle is the same throughout: overhead costs by its time.
    execution = 1 - row.overhead_ns / row.time_ns
    return NetCost(row.time_ns, energy_nj, energy_nj * execution)
