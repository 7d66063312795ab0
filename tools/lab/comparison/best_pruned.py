"""Pruning alone: one ratio and one operating point for all frames, no early exits.

The best in hindsight, so that what the three ideas do together stands beside each of them alone.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from edge_infer.boards.cost_table import CostTable
from edge_infer.boards.operating_point import OperatingPoint
from edge_infer.lab.costs.board_costs import CLASSIC
from edge_infer.lab.replay.result import ReplayResult
from edge_infer.runtime.stage_work import row_name

PRUNING = "pruning"
"""Name of the policy."""


class PrunedNet(NamedTuple):
    """The net without exits at a ratio and an operating point."""

    ratio: str
    point: OperatingPoint
    net_nj: float = 0.0
    """Of a frame, its wait for the next one included."""
    time_ns: int = 0


def pruned_nets(
    table: CostTable, ratios: Iterable[str], points: Sequence[OperatingPoint], period_ns: float
) -> list[PrunedNet]:
    """Return the choices, the cheapest first.

    Args:
        table: with the classic net at every ratio.
        ratios: that may be chosen.
        points: likewise.
        period_ns: mean time between arrivals.

    Raises:
        CostTableError: a row is missing.
    """
    found = []
    for ratio in ratios:
        for point in points:
            row = table.row(row_name(CLASSIC, ratio), point)
            idle_uw = table.idle_uw[point.clock_khz] - table.idle_reference_uw
            wait_ns = max(period_ns - row.time_ns, 0.0)
            busy_nj = row.energy_nj - table.idle_reference_uw * row.time_ns / 1e6
            net_nj = busy_nj + idle_uw * wait_ns / 1e6
            found.append(PrunedNet(ratio, point, net_nj, row.time_ns))
    return sorted(found, key=lambda net: net.net_nj)


def best_pruned(
    nets: Iterable[PrunedNet], replay: Callable[[PrunedNet], ReplayResult], miss_bound: float
) -> tuple[ReplayResult, PrunedNet]:
    """Return the cheapest choice that keeps a bound on misses, else the one with the fewest.

    Frames of one net all take the same time, so what is no faster than one that misses too many
    misses too many itself.
    """
    best: tuple[ReplayResult, PrunedNet] | None = None
    too_slow_ns = math.inf
    for net in nets:
        if net.time_ns >= too_slow_ns:
            continue
        result = replay(net)
        if best is None or result.miss_rate < best[0].miss_rate:
            best = result, net
        if result.miss_rate <= miss_bound:
            return result, net
        too_slow_ns = net.time_ns
    assert best is not None  # the full width may always be chosen
    return best
