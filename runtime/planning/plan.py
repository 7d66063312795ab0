"""A solved plan: which operating point to choose when."""

from bisect import bisect_left
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge_infer.runtime.planning.problem import PlanProblem


@dataclass(frozen=True)
class Plan:
    """Which point to choose, by time since arrival, clock in force and belief."""

    problem: PlanProblem
    ages_ns: tuple[int, ...]
    """Times since arrival that are told apart, ascending from 0: the steps."""
    penalty_nj: float
    net_nj_per_frame: float
    """Expected, at the solution's precision."""
    miss_rate: float
    """Expected share of frames that answer late."""
    first: NDArray[np.uint8]
    """Point of the first stage: [kind, clock, age]."""
    later: tuple[NDArray[np.uint8], ...]
    """Point of each later stage: [bin, clock, age]."""
    idle: NDArray[np.uint8]
    """Clock to wait at when no frame is waiting: [clock, age]."""
    values: NDArray[np.float64]
    """Relative values before a frame, to start the next solution from: [2, clock, age]."""

    def age_index(self, age_ns: int) -> int:
        """Return the age of a time since arrival, rounded up; the last one holds all beyond."""
        return min(bisect_left(self.ages_ns, age_ns), len(self.ages_ns) - 1)


@dataclass(frozen=True)
class JointPlan(Plan):
    """A plan over pruning ratios too; what `Plan` has is that of the full width."""

    paths: tuple[Plan, ...]
    """What to choose in a frame at each ratio, in the order of `PlanProblem.ratios`."""
    chosen: NDArray[np.uint8]
    """Index of the ratio of a frame: [ratio in force, clock, age]."""
    loss_points: float
    """Expected accuracy that the ratios lose, in percentage points."""


class PlanSet(NamedTuple):
    """Plans around a bound on misses, to run in turn so that the bound is used up and no more.

    Plans jump: of the plans of least energy one misses less than the bound allows, the next one
    more. The best policy under a bound is a mixture of two such (Altman, Constrained Markov
    Decision Processes, 1999, chapter 6), not either of them. The backup one is for when frames
    leave later than all plans expect.
    """

    feasible: Plan
    """Keeps the bound; where no plan does, the one with the fewest misses."""
    cheaper: Plan | None = None
    """The next cheaper one, which does not keep it; None where there is none."""
    backup: Plan | None = None
    """One that misses far less; None where the feasible one hardly misses, or none misses less."""

    def mean(self, miss_bound: float) -> tuple[float, float]:
        """Return net energy in nJ and misses, by frame, of the mixture that uses up a bound."""
        feasible, cheaper = self.feasible, self.cheaper
        if cheaper is None or cheaper.miss_rate <= feasible.miss_rate:
            return feasible.net_nj_per_frame, feasible.miss_rate
        part = (miss_bound - feasible.miss_rate) / (cheaper.miss_rate - feasible.miss_rate)
        part = min(max(part, 0.0), 1.0)
        return (
            feasible.net_nj_per_frame
            + part * (cheaper.net_nj_per_frame - feasible.net_nj_per_frame),
            feasible.miss_rate + part * (cheaper.miss_rate - feasible.miss_rate),
        )


class PlanLookup(NamedTuple):
    """Index of a point, or of a clock, by age in rows of bytes; see `Plan`."""

    first: list[list[bytes]]
    later: list[list[list[bytes]]]
    idle: list[bytes]
    plan_ns: tuple[int, ...]
    """By clock: time that choosing a plan takes."""

    @classmethod
    def of(cls, plan: Plan) -> "PlanLookup":
        """Return the tables of a plan."""
        return cls(
            [[row.tobytes() for row in kind] for kind in plan.first],
            [[[row.tobytes() for row in b] for b in stage] for stage in plan.later],
            [row.tobytes() for row in plan.idle],
            plan.problem.plan_ns,
        )
