"""Predictive Exit's idea of a governor: the lowest clock that meets the deadline as predicted."""

from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from edge_infer.boards.operating_point import OperatingPoint
from edge_infer.runtime.planning.problem import PlanProblem
from edge_infer.runtime.records import ExitDecision, Frame, InferenceRecord, StageResult


class LowestClockGovernor:
    """After the first exit, the lowest clock at which the predicted exit is reached in time.

    The body of EENet was not at hand, so this is a reconstruction: until the first exit has
    spoken, the lowest clock from which the whole net can still be finished in time at the top
    clock; after it, the lowest clock that reaches the predicted exit by the deadline; once the
    prediction has failed, the lowest that finishes the whole net. A change of clock counts with its
    time. Energy is not looked at: lower is taken as cheaper.

    Args:
        name: the policy.
        problem: times by stage and point; one point per clock is used, with the fewest threads.
        later_exit_of: predicted later exit, 0 for the next, of a frame and its raw scores.
    """

    predicts = True

    def __init__(
        self,
        name: str,
        problem: PlanProblem,
        later_exit_of: Callable[[Frame, NDArray[Any]], int],
    ) -> None:
        self.name = name
        self._later_exit_of = later_exit_of
        keep = [
            next(i for i, p in enumerate(problem.points) if p.clock_khz == khz)
            for khz in problem.clocks_khz
        ]
        self._points = tuple(problem.points[i] for i in keep)
        self._time_ns = [[row[i] for i in keep] for row in problem.time_ns]
        self._switch_ns = problem.switch_ns
        self._deadline_ns = problem.deadline_ns
        self._plan_ns = problem.plan_ns
        self._last = problem.stages - 1
        self._predicted = self._last
        self._clock = 0
        rest_ns = sum(min(row) for row in self._time_ns[1:])
        self._first_needs = [t + rest_ns + problem.switch_ns for t in self._time_ns[0]]

    def first_point(self, frame: Frame, now_ns: int, backlog: int) -> OperatingPoint:
        """Return the lowest clock from which the whole net can be finished in time."""
        left_ns = self._left_ns(frame, now_ns)
        return self._lowest(self._first_needs, left_ns)

    def next_point(
        self, frame: Frame, result: StageResult, decision: ExitDecision
    ) -> OperatingPoint:
        """Return the lowest clock that reaches the predicted exit in time."""
        now_ns = result.end_ns
        if result.stage == 0:
            self._predicted = 1 + self._later_exit_of(frame, result.scores)
            now_ns += self._plan_ns[self._clock]
        until = self._predicted if result.stage < self._predicted else self._last
        needs = [
            sum(self._time_ns[stage][clock] for stage in range(result.stage + 1, until + 1))
            for clock in range(len(self._points))
        ]
        return self._lowest(needs, self._left_ns(frame, now_ns))

    def idle_point(self) -> OperatingPoint | None:
        """Stay."""
        return None

    def learn(self, record: InferenceRecord) -> None:
        """Nothing to learn."""

    def _left_ns(self, frame: Frame, now_ns: int) -> int:
        return self._deadline_ns if frame.deadline_ns is None else frame.deadline_ns - now_ns

    def _lowest(self, needs: list[int], left_ns: int) -> OperatingPoint:
        top = len(needs) - 1
        self._clock = next(
            (
                clock
                for clock, need_ns in enumerate(needs)
                if need_ns + (self._switch_ns if clock != self._clock else 0) <= left_ns
            ),
            top,
        )
        return self._points[self._clock]
