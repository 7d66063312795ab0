"""Latency that stays put while the clock moves: the pruning ratio follows the clock.

All-in-One (ICCAD 2022): at each clock the widest ratio that answers within the target. The clock is
another policy's, the kernel's or a heat limit's; a ratio is chosen for the one really in force.
"""

from collections.abc import Sequence

from edge_infer.boards.contract import Board
from edge_infer.boards.cost_table import CostTable
from edge_infer.boards.operating_point import OperatingPoint
from edge_infer.models_tflite.bundle import Bundle
from edge_infer.runtime.errors import PolicyError
from edge_infer.runtime.governor import Governor, open_governor
from edge_infer.runtime.records import ExitDecision, Frame, InferenceRecord, StageResult
from edge_infer.runtime.stage_work import all_works, row_name

NAME = "stable-latency"
"""`stable-latency` or `stable-latency:CLOCK-POLICY`."""


class StableLatencyGovernor:
    """Another governor's clocks, with the widest ratio that meets the target at each.

    Args:
        name: the policy as the user wrote it.
        clock: chooses the operating points.
        table: rows for every stage at every ratio.
        stages: names in order; the target holds for a frame that passes all of them.
        ratios: those that may be chosen, the narrowest where none meets the target.
        target_ns: from take-up to the answer.
    """

    def __init__(
        self,
        name: str,
        clock: Governor,
        table: CostTable,
        stages: Sequence[str],
        ratios: Sequence[str],
        target_ns: int,
    ) -> None:
        self.name = name
        self._clock = clock
        widest_first = sorted(ratios, key=float, reverse=True)
        self._ratio_of = {
            point: _widest(table, stages, widest_first, point, target_ns) for point in table.points
        }
        self._narrowest = widest_first[-1]

    def ratio_at(self, point: OperatingPoint) -> str:
        """Return the ratio of a frame that begins at a point.

        A clock that the table lacks (a throttled one) is taken as the next lower that it has, and
        below all of them the narrowest ratio runs.
        """
        ratio = self._ratio_of.get(point)
        if ratio is None:
            lower = [p for p in self._ratio_of
                     if p.threads == point.threads and p.clock_khz <= point.clock_khz]  # fmt: skip
            ratio = self._ratio_of[max(lower)] if lower else self._narrowest
            self._ratio_of[point] = ratio
        return ratio

    def first_point(self, frame: Frame, now_ns: int, backlog: int) -> OperatingPoint:
        """Return the other governor's point."""
        return self._clock.first_point(frame, now_ns, backlog)

    def next_point(
        self, frame: Frame, result: StageResult, decision: ExitDecision
    ) -> OperatingPoint:
        """Return the other governor's point."""
        return self._clock.next_point(frame, result, decision)

    def idle_point(self) -> OperatingPoint | None:
        """Return the other governor's point."""
        return self._clock.idle_point()

    def learn(self, record: InferenceRecord) -> None:
        """Tell the other governor."""
        self._clock.learn(record)


def stable_latency(
    policy: str,
    bundle: Bundle,
    board: Board,
    target_ns: int | None,
    threads: int = 1,
    table: CostTable | None = None,
) -> StableLatencyGovernor | None:
    """Return the governor of the policy `stable-latency`, None for any other policy.

    Args:
        policy: `stable-latency`, at the highest clock, or with another policy for the clock:
            `stable-latency:powersave`, `stable-latency:fixed:600`.
        bundle: a prunable one.
        board: gives the cost table, unless `table` is one that was measured.
        target_ns: from take-up to the answer.
        threads: interpreter threads.
        table: rows for every stage at every ratio, `exit1@0.5` for a stage at one.

    Raises:
        PolicyError: there is no target, the bundle cannot be pruned, or the board has no costs.
        CostTableError: a row is missing.
    """
    name, _, clock = policy.partition(":")
    if name != NAME:
        return None
    manifest = bundle.manifest
    if target_ns is None:
        raise PolicyError(f"the policy {NAME} needs a target: --target 20ms")
    if manifest.prunable is None:
        raise PolicyError(f"{manifest.name} has no ratios to choose from: it is not prunable")
    costs = table or board.cost_table(all_works(bundle))
    if costs is None:
        raise PolicyError(
            f"the policy {NAME} needs a cost table and {board.name} has none: fill one with "
            f"edge-infer measure {manifest.name} --board {board.name}"
        )
    governor = open_governor(clock or "performance", board.clock.supported_khz(), threads)
    stages = [stage.name for stage in manifest.stages]
    return StableLatencyGovernor(policy, governor, costs, stages, manifest.ratios, target_ns)


def _widest(
    table: CostTable,
    stages: Sequence[str],
    widest_first: Sequence[str],
    point: OperatingPoint,
    target_ns: int,
) -> str:
    for ratio in widest_first:
        times = [table.row(row_name(stage, ratio), point).time_ns for stage in stages]
        if sum(times) <= target_ns:
            return ratio
    return widest_first[-1]
