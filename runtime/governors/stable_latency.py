"""Latency that stays put while the clock moves: the pruning ratio follows the clock.

All-in-One (ICCAD 2022): at each clock the widest ratio that answers within the target. The clock is
another policy's, the kernel's or a heat limit's; a ratio is chosen for the one really in force.
"""

from collections.abc import Sequence

from edge_infer.boards.cost_table import CostTable, OperatingPoint
from edge_infer.runtime.governors.governor import Governor
from edge_infer.runtime.records import ExitDecision, Frame, InferenceRecord, StageResult
from edge_infer.runtime.stage_costs import row_name


class StableLatencyGovernor(Governor):
    """Another governor's clocks, with the widest ratio that meets the target at each.

    Args:
        name: the policy as the user wrote it.
        clock: chooses the operating points.
        table: rows for every stage at every ratio.
        stages: names in order; the target holds for a frame that passes all of them.
        ratios: those that may be chosen, the narrowest where none meets the target.
        target_ns: from take-up to the answer.
    """

    chooses_ratio = True

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
        self.asks_between_stages = clock.asks_between_stages
        widest_first = sorted(ratios, key=float, reverse=True)
        self._ratio_of = {
            point: _widest(table, stages, widest_first, point, target_ns) for point in table.points
        }
        self._narrowest = widest_first[-1]

    @property
    def thread_counts(self) -> tuple[int, ...]:
        """Those of the other governor."""
        return self._clock.thread_counts

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
