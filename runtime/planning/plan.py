"""A solved plan: which operating point to choose when."""

from bisect import bisect_left
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge_infer.runtime.planning.problem import PlanProblem


@dataclass(frozen=True)
class Plan:
    """Which point to choose, by age, clock in force and what is predicted of the exit.

    A frame's age is the time since its arrival.
    """

    problem: PlanProblem
    ages_ns: tuple[int, ...]
    """The age grid, ascending from 0."""
    penalty_nj: float
    net_nj_per_frame: float
    """Expected net energy, to the relative tolerance of the solution."""
    miss_rate: float
    """Expected share of frames that answer late."""
    first: NDArray[np.uint8]
    """Index of the first stage's point: [kind, clock, age]; see `ExitDistribution` for kinds."""
    later: tuple[NDArray[np.uint8], ...]
    """Index of each later stage's point: [bin, clock, age]; `LEAVES` more to leave before it."""
    idle: NDArray[np.uint8]
    """Index of the clock to wait at when no frame waits: [clock, age at the answer]."""
    values: NDArray[np.float64]
    """Relative values before a frame, to start the next solution from: [cost, clock, age]."""
    loss_points: float = 0.0
    """Expected accuracy lost by ratios and by leaving early, in percentage points."""
    changed_share: float = 0.0
    """Expected share of answers that leaving early makes right or wrong, 0 to 1."""

    @property
    def surest_loss_points(self) -> float:
        """The expected loss and the standard errors that are kept from the bound."""
        chain, errors = self.problem.distribution.chain, self.problem.loss_sureness
        if chain is None or not errors:
            return self.loss_points
        return chain.surest(self.loss_points, self.changed_share, errors)

    def age_index(self, age_ns: int) -> int:
        """Return the index of an age, rounded up; the last one stands for all beyond."""
        return min(bisect_left(self.ages_ns, age_ns), len(self.ages_ns) - 1)


@dataclass(frozen=True)
class JointPlan(Plan):
    """A plan over pruning ratios too; what `Plan` has is that of the full width."""

    paths: tuple[Plan, ...] = ()
    """What to choose in a frame at each ratio, in the order of `PlanProblem.ratios`."""
    chosen: NDArray[np.uint8] = field(default_factory=lambda: np.zeros((1, 1, 1), np.uint8))
    """Index of the ratio of a frame: [ratio in force, clock, age]."""


class PlanSet(NamedTuple):
    """Plans on either side of a bound on misses, to run in turn so that the bound is used up.

    There are finitely many plans, so their miss rates have gaps: one misses less than the bound
    allows, the next cheaper one more. The best policy under the bound is a mixture of those two
    (Altman, Constrained Markov Decision Processes, 1999, chapter 6). `MissBucket` says whose turn
    it is.
    """

    feasible: Plan
    """Keeps the bound; where no plan does, the one with the fewest misses."""
    cheaper: Plan | None = None
    """The next cheaper one, which exceeds the bound; None where there is none."""
    backup: Plan | None = None
    """Misses far less, and runs when more was missed than expected; None where none does."""
    giving: Plan | None = None
    """Keeps the bound on misses and gives up more accuracy than the feasible one may: the two in
    turn use the bound on the loss up. None where nothing is given up by leaving early."""

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


def hurried(problem: PlanProblem) -> PlanSet:
    """Return a plan that nobody had to solve for: the fastest point, always.

    It answers the first frames until a plan is solved.
    """
    every = range(len(problem.points))
    point = min(every, key=lambda index: sum(row[index] for row in problem.time_ns))
    clocks, distribution = len(problem.clocks_khz), problem.distribution
    later = tuple(
        np.full((distribution.bins_at(stage), clocks, 1), point, np.uint8)
        for stage in range(problem.stages - 1)
    )
    return PlanSet(
        Plan(
            problem, (0,), 0.0, sum(row[point] for row in problem.net_nj), 0.0,
            np.full((len(distribution.shares), clocks, 1), point, np.uint8), later,
            np.full((clocks, 1), problem.clock_of[point], np.uint8), np.zeros((0, clocks, 1)),
        )
    )  # fmt: skip


class PlanLookup(NamedTuple):
    """The tables of a `Plan` as bytes: a lookup takes a tenth of the time of an array's."""

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
