"""Limits that know the whole trace of arrivals: one plan a frame, solved from the last frame back.

The plan of a frame knows the gap to the next one, and through the values behind it all that follow;
the exits of later frames it knows by their shares alone. Not a baseline: nobody has a trace of the
future.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge_infer.boards.cost_table import OperatingPoint
from edge_infer.runtime.governors.governor import Governor
from edge_infer.runtime.planning.frame_sweep import ENERGY, MISSES
from edge_infer.runtime.planning.planner import Planner
from edge_infer.runtime.planning.problem import PlanProblem
from edge_infer.runtime.records import ExitDecision, Frame, InferenceRecord, StageResult

STEPS = 128
"""Even steps of age up to the deadline; coarser than a planner's, with a plan for each frame."""
TRIAL_FRAMES = 200
"""Frames that the multiplier is searched on."""
RATIO = 1.5
"""The search ends when the multiplier is known within this factor."""
HIGHEST = 1e5
"""Highest over least multiplier that is tried; the highest is 1,000 times a frame's energy."""


class FramePlan(NamedTuple):
    """The choices of one frame: arrays as in `Plan`."""

    first: NDArray[np.uint8]
    later: tuple[NDArray[np.uint8], ...]
    idle: NDArray[np.uint8]


class TracePlanner:
    """Solves a trace.

    Args:
        problem: its own gaps are not used.
        arrivals_ns: of every frame, ascending.
    """

    def __init__(self, problem: PlanProblem, arrivals_ns: Sequence[int]) -> None:
        self.problem = problem.pruned()
        self.planner = Planner(self.problem, STEPS)
        self._arrivals_ns = np.array(arrivals_ns, np.int64)
        self._highest_nj = 1000 * (sum(max(map(abs, row)) for row in problem.net_nj) or 1.0)
        self._gaps_ns = [after - before for before, after in pairwise(arrivals_ns)]

    def solve(self, penalty_nj: float, frames: int) -> tuple[list[FramePlan], float, float]:
        """Return the plans of the first frames, expected net energy in nJ and misses a frame."""
        planner = self.planner
        shape = (2, len(self.problem.clocks_khz), len(planner.ages_ns))
        values, plans = np.zeros(shape), []
        for number in range(frames - 1, -1, -1):
            last = number >= len(self._gaps_ns)
            gaps_ns = () if last else (self._gaps_ns[number],)
            planner.couple(gaps_ns, self._overflow(number))
            values, (first, later, idle) = planner.sweep(values, penalty_nj)
            plans.append(FramePlan(first, later, idle))
        plans.reverse()
        return plans, values[ENERGY, 0, 0] / frames, values[MISSES, 0, 0] / frames

    def _overflow(self, number: int) -> NDArray[np.float64]:
        """Return 1 for the times at which the frames behind this one have filled the queue."""
        ages_ns = np.array(self.planner.ages_ns)
        last = number + self.problem.queue_limit
        if last >= len(self._arrivals_ns):
            return np.zeros(len(ages_ns))
        full_ns = self._arrivals_ns[last] - self._arrivals_ns[number]
        full: NDArray[np.float64] = (ages_ns >= full_ns).astype(float)
        return full

    def within(self, miss_bound: float) -> list[FramePlan]:
        """Return the plans of least energy that keep the bound on the expected misses."""
        frames = len(self._gaps_ns) + 1
        penalty_nj = self._trial_penalty_nj(miss_bound, min(frames, TRIAL_FRAMES))
        plans, _, misses = self.solve(penalty_nj, frames)
        while misses > miss_bound and penalty_nj < self._highest_nj:
            penalty_nj = max(penalty_nj * RATIO, self._highest_nj / HIGHEST)
            plans, _, misses = self.solve(penalty_nj, frames)
        return plans

    def _trial_penalty_nj(self, miss_bound: float, frames: int) -> float:
        """Return the least penalty that keeps the bound on the first frames, within `RATIO`.

        The search begins at that of the stationary plan for the typical gaps.
        """
        least_nj = self._highest_nj / HIGHEST

        def keeps(penalty_nj: float) -> bool:
            return self.solve(penalty_nj, frames)[2] <= miss_bound

        if keeps(0.0):
            return 0.0
        penalty_nj = Planner(self.problem, STEPS // 2).bisect(
            miss_bound, least_nj, self._highest_nj
        )
        if not keeps(penalty_nj):
            while penalty_nj < self._highest_nj:
                penalty_nj *= RATIO
                if keeps(penalty_nj):
                    break
            return penalty_nj
        while penalty_nj > least_nj and keeps(penalty_nj / RATIO):
            penalty_nj /= RATIO
        return penalty_nj


class TraceLimitGovernor(Governor):
    """Looks up the plan of each frame.

    Args:
        name: the policy.
        problem: what is planned for.
        arrivals_ns: of every frame that will come, by frame number.
        miss_bound: highest share of frames that may miss their deadline.
        bin_of: what is known of the exit after the first stage.
        kind_of: what is known of it before; None for nothing.
    """

    def __init__(
        self,
        name: str,
        problem: PlanProblem,
        arrivals_ns: Sequence[int],
        miss_bound: float,
        bin_of: Callable[[Frame, NDArray[Any]], int],
        kind_of: Callable[[Frame], int] | None = None,
    ) -> None:
        self.name = name
        solver = TracePlanner(problem, arrivals_ns)
        self._plans = solver.within(miss_bound)
        self._ages_ns = solver.planner.ages_ns
        self._deadline_ns = problem.deadline_ns
        pruned = solver.problem
        self._points = pruned.points
        self._clock_of = pruned.clock_of
        self._clock_index = {khz: i for i, khz in enumerate(pruned.clocks_khz)}
        self._wait_points = [
            next(p for p in pruned.points if p.clock_khz == khz) for khz in pruned.clocks_khz
        ]
        self._bin_of = bin_of
        self._kind_of = kind_of
        self._clock = self._bin = 0
        self._idle: OperatingPoint | None = None

    def first_point(self, frame: Frame, now_ns: int, backlog: int) -> OperatingPoint:
        """Return the point of the first stage."""
        kind = 0 if self._kind_of is None else self._kind_of(frame)
        age = self._age(frame, now_ns)
        return self._chosen(self._plans[frame.number].first[kind, self._clock, age])

    def next_point(
        self, frame: Frame, result: StageResult, decision: ExitDecision
    ) -> OperatingPoint:
        """Return the point of the next stage."""
        if result.stage == 0:
            self._bin = self._bin_of(frame, result.scores)
        table = self._plans[frame.number].later[result.stage]
        return self._chosen(table[self._bin, self._clock, self._age(frame, result.end_ns)])

    def idle_point(self) -> OperatingPoint | None:
        """Return the point to wait at, None to stay."""
        return self._idle

    def learn(self, record: InferenceRecord) -> None:
        """Note where to wait; there is nothing to learn."""
        self._clock = self._clock_index.get(record.points[-1].clock_khz, self._clock)
        age = self._age_index(record.end_ns - record.arrival_ns)
        waits_at = int(self._plans[record.number].idle[self._clock, age])
        self._idle = None
        if waits_at != self._clock:
            self._idle = self._wait_points[waits_at]
            self._clock = waits_at

    def _chosen(self, index: np.uint8) -> OperatingPoint:
        self._clock = self._clock_of[index]
        return self._points[index]

    def _age(self, frame: Frame, now_ns: int) -> int:
        due_ns = now_ns if frame.deadline_ns is None else frame.deadline_ns
        return self._age_index(self._deadline_ns - (due_ns - now_ns))

    def _age_index(self, age_ns: int) -> int:
        return min(bisect_left(self._ages_ns, age_ns), len(self._ages_ns) - 1)
