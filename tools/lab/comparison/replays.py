"""The replays of a comparison: the same traffic, with early exits or without, at every ratio."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge_infer.boards.cost_table import CostTable, OperatingPoint
from edge_infer.lab.comparison.conditions import Conditions
from edge_infer.lab.comparison.static_nets import StaticNet
from edge_infer.lab.costs.board_costs import CLASSIC
from edge_infer.lab.replay.costs import ReplayCosts
from edge_infer.lab.replay.replay import Replay, Traffic
from edge_infer.lab.replay.result import ReplayResult
from edge_infer.lab.replay.scored_frames import ScoredFrames
from edge_infer.models_tflite import Bundle
from edge_infer.models_tflite.manifest import FULL_RATIO
from edge_infer.runtime.governors.governor import FixedGovernor
from edge_infer.runtime.policies.context import PLAN_OVERHEADS
from edge_infer.runtime.stage_costs import row_name, switch_work


class Replays:
    """Makes the replay that a policy runs in.

    Args:
        bundle: gives the names of the stages.
        frames: scored at full width.
        narrower: the same frames at other pruning ratios.
        table: of the board.
        traffic: which frames come when.
        conditions: the same for all.
    """

    def __init__(
        self,
        bundle: Bundle,
        frames: ScoredFrames,
        narrower: Mapping[str, ScoredFrames],
        table: CostTable,
        traffic: Traffic,
        conditions: Conditions,
    ) -> None:
        self.ratio_switch = switch_work(bundle.manifest, FULL_RATIO).name
        self._stages = [stage.name for stage in bundle.manifest.stages]
        self._frames = {FULL_RATIO: frames, **narrower}
        self._table = table
        self._traffic = traffic
        self._conditions = conditions

    def scores(self, ratio: str) -> NDArray[Any]:
        """Return the first exit's raw scores at a ratio: [frames, classes]."""
        return self._frames[ratio].scores[0]

    def with_exits(self, changes_ratio: bool = False) -> Replay:
        """Return the replay of all stages, for a governor that may change the ratio."""
        ways = {
            ratio: (own, self._costs(self._stages, ratio))
            for ratio, own in self._frames.items()
            if changes_ratio or ratio == FULL_RATIO
        }
        return self._replay(*ways.pop(FULL_RATIO), ways)

    def without_exits(self, ratio: str) -> Replay:
        """Return the replay of the net without early exits, at one ratio."""
        frames = self._frames[ratio]
        last = [(row[-1]._replace(leave=True),) for row in frames.decisions]
        alone = ScoredFrames(
            frames.scores[-1:], tuple(last), np.zeros_like(frames.exits), frames.labels
        )
        return self._replay(alone, self._costs([CLASSIC], ratio), {})

    def static(self, net: StaticNet, point: OperatingPoint) -> ReplayResult:
        """Return what a static net comes to at one operating point."""
        replay = self._replay(net.frames, self._costs([net.name], FULL_RATIO), {})
        return replay.run(FixedGovernor(net.name, point), point)

    def _costs(self, stages: list[str], ratio: str) -> ReplayCosts:
        whole = {row_name(CLASSIC, ratio): [row_name(stage, ratio) for stage in self._stages]}
        names = [row_name(stage, ratio) for stage in stages]
        conditions = self._conditions
        return ReplayCosts(self._table, names, conditions.truth, conditions.seed, whole)

    def _replay(
        self,
        frames: ScoredFrames,
        costs: ReplayCosts,
        narrower: Mapping[str, tuple[ScoredFrames, ReplayCosts]],
    ) -> Replay:
        conditions, table = self._conditions, self._table
        change = {p: table.row(self.ratio_switch, p) for p in table.points if narrower}
        return Replay(
            frames, self._traffic, costs, late=conditions.late, queue_limit=conditions.queue,
            disturbances=conditions.disturbances, plan_overheads=PLAN_OVERHEADS,
            narrower=narrower, ratio_switch=change,
        )  # fmt: skip


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
