"""What leaving at each exit costs on a board, beside the plain net; from the board's cost table."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from edge_infer.boards.cost_table import CostOrigin, CostRow, CostTable
from edge_infer.boards.operating_point import OperatingPoint
from edge_infer.lab.costs.board_tables import board_table, with_classic
from edge_infer.lab.costs.classic_net import CLASSIC
from edge_infer.models_tflite import Bundle
from edge_infer.models_tflite.manifest import BackendInfo
from edge_infer.runtime.errors import PolicyError
from edge_infer.runtime.measured_table import measured_table


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
    """The weakest of the rows used: synthetic before modelled before simulated before measured."""
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
    ranks: tuple[CostOrigin, ...] = ("measured", "simulated", "modelled", "synthetic")
    return ExitCosts(
        board=table.board,
        point=point,
        names=names,
        exits=tuple(accumulate(stages)),
        plain=plain,
        origin=max((row.origin for row in rows), key=ranks.index),
        notes=table.notes,
    )


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
