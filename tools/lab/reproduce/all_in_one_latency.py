"""Latency of a prunable bundle over the clocks of a board: at one ratio, and at one a clock."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from edge_infer.boards import open_board
from edge_infer.boards.cost_table import CostOrigin, CostTable
from edge_infer.boards.profile import BoardProfile
from edge_infer.boards.simulated import SimulatedBoard
from edge_infer.lab.costs.board_costs import weakest_origin
from edge_infer.models_tflite import Bundle
from edge_infer.models_tflite.manifest import FULL_RATIO
from edge_infer.runtime.errors import RunError
from edge_infer.runtime.stage_costs import all_works, row_name

Times = Mapping[str, Mapping[int, int]]
"""Time in ns by ratio, widest first, and clock in kHz."""


@dataclass(frozen=True)
class LevelLatency:
    """One ratio a clock, so that the answer takes about as long at each."""

    board: str
    origin: CostOrigin
    times_ns: Times
    target_ns: int
    """The longest time that is taken; each clock has the widest ratio that keeps it."""
    ratio_of: Mapping[int, str]
    """By clock in kHz, ascending."""
    fixed: str
    """The widest ratio that keeps the target at the lowest clock, and so at all."""

    @property
    def spread(self) -> float:
        """Longest over shortest time with one ratio a clock."""
        found = [self.times_ns[ratio][khz] for khz, ratio in self.ratio_of.items()]
        return max(found) / min(found)

    @property
    def fixed_spread(self) -> float:
        """Longest over shortest time of the full width."""
        found = self.times_ns[FULL_RATIO].values()
        return max(found) / min(found)

    def mean(self, by_ratio: Mapping[str, float]) -> float:
        """Return the mean of a figure over the clocks, each with its ratio."""
        return sum(by_ratio[ratio] for ratio in self.ratio_of.values()) / len(self.ratio_of)


def level_latency(
    bundle: Bundle, board: str, spread: float, profile: BoardProfile | None = None
) -> LevelLatency:
    """Return `level_of` by the cost table of a board.

    Args:
        bundle: prunable.
        board: name of a board.
        spread: as `level_of` takes it.
        profile: the simulated board with other figures than its own.

    Raises:
        RunError: the board has no cost table.
    """
    with SimulatedBoard(profile, name=board) if profile else open_board(board) as opened:
        table = opened.cost_table(all_works(bundle))
    if table is None:
        raise RunError(f"{board} has no cost table: give a simulated board")
    return level_of(bundle, replace(table, board=board), spread)


def level_of(bundle: Bundle, table: CostTable, spread: float) -> LevelLatency:
    """Choose the longest target that leaves the latency level enough, on one thread.

    Busy time until the answer, through all stages; nothing waits. The longer the target, the wider
    the ratios.

    Args:
        bundle: prunable.
        table: rows of every stage at every ratio.
        spread: longest over shortest time that is level enough; the least there is, if none is.
    """
    points = [point for point in table.points if point.threads == 1]
    names = [stage.name for stage in bundle.manifest.stages]
    ratios = sorted(bundle.manifest.ratios, key=float, reverse=True)
    times = {
        ratio: {
            point.clock_khz: sum(table.row(row_name(name, ratio), point).time_ns for name in names)
            for point in points
        }
        for ratio in ratios
    }
    origin = weakest_origin(table.rows.values())
    slowest = min(times[ratios[-1]])
    targets = sorted({time for by_clock in times.values() for time in by_clock.values()})
    found = [
        LevelLatency(
            table.board, origin, times, target, _widest(times, target), _at(times, target, slowest)
        )
        for target in targets
        if target >= times[ratios[-1]][slowest]
    ]
    level = [each for each in found if each.spread <= spread]
    return level[-1] if level else min(found, key=lambda each: each.spread)


def _widest(times: Times, target_ns: int) -> dict[int, str]:
    clocks = next(iter(times.values()))
    return {khz: _at(times, target_ns, khz) for khz in sorted(clocks)}


def _at(times: Times, target_ns: int, khz: int) -> str:
    return next(ratio for ratio, by_clock in times.items() if by_clock[khz] <= target_ns)
