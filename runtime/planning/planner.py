"""The planner: operating points of every stage, solved ahead of time into a table.

A constrained Markov decision process (Altman, Constrained Markov Decision Processes, 1999):

- State: the stage, the predictor's bin of the frame, its age (the time since its arrival) and the
  clock in force.
- Action: the operating point of the next stage, or leaving at this exit where the problem has an
  exit chain (its price: `solving`); after the last one, the clock to wait at.
- Cost of a frame: net energy, switches included, plus a penalty if it is answered late. The penalty
  is the Lagrange multiplier of the bound on misses, found by bisection.
- Frames are coupled: a late one delays the next. So the mean cost per frame is minimised, by
  relative value iteration (Puterman, Markov Decision Processes, 1994, section 8.5).

Choosing speeds ahead of time from the distribution of the remaining work is PACE (Lorch and Smith,
SIGMETRICS 2001), with few speeds and switch costs as in Xu, Xi, Melhem and Mosse (EMSOFT 2004), and
here with the distribution that the exit predictor gives for each frame.

Ages form a grid (`age_grid`): `steps` even steps up to the deadline, and the ages that a frame has
reached after each stage at one point all the way, so that a fixed clock is judged exactly. An age
between two of the grid is rounded up: a plan never counts on time that it does not have.
"""

import math

import numpy as np

from edge_infer.runtime.planning.frame_sweep import (
    CHANGED,
    ENERGY,
    LOSS,
    MISSES,
    Array,
    FrameSweep,
    PlanTables,
)
from edge_infer.runtime.planning.plan import Plan, PlanSet
from edge_infer.runtime.planning.problem import PlanProblem

STEPS = 400
"""Even steps of age that a deadline is divided into."""
MOST_SWEEPS = 300
TOLERANCE = 1e-4
"""Of the mean cost per frame at which value iteration ends, relative."""
MISS_TOLERANCE = 5e-4
"""Of the miss rate, absolute."""
DAMPING = 0.8
"""Step of value iteration. A full step would not converge where the best schedule alternates
between frames (Puterman, section 8.5.4)."""
STEADY = 0.05
"""Two sweeps in a row change the values alike, to within this share of their span: the next step is
then extrapolated. That is the case where another clock is a little better, but for the cost of
getting there: each sweep adds that little alone. A step too far is undone by the next sweep."""
SHORTEST_STEP, LONGEST_STEP, STEP_RATIO = 32.0, 4096.0, 4.0
"""Of an extrapolation, in sweeps; each in a row is longer by the ratio."""
COARSER = 4
"""How much coarser time is while the multiplier is searched."""
PENALTY_RATIO, FINE_RATIO = 1.3, 1.5
"""The search ends when the multiplier is known within the first; the second is the step on the fine
grid."""
CHEAPER_MISSES = 0.2
"""Highest miss rate of the cheaper plan of a set: above it lie plans whose queue stays full."""
BACKUP_SHARE = 0.25
"""Share of the bound, and of the feasible plan's misses, that a backup plan may miss."""
BACKUP_RATIO = 2.0
"""Step of the multiplier on the way to a backup plan."""
LEAST_PENALTY, HIGHEST_PENALTY = 0.01, 3000.0
"""In units of a frame's highest energy: beyond this a miss is avoided at any price."""


class Planner(FrameSweep):
    """Solves one problem for any penalty; arrays as in `FrameSweep`."""

    most_sweeps, longest_extrapolation = MOST_SWEEPS, LONGEST_STEP

    def __init__(
        self, problem: PlanProblem, steps: int = STEPS, ages_ns: tuple[int, ...] | None = None
    ) -> None:
        super().__init__(problem, steps, ages_ns)
        if problem.loses:
            # Where leaving now and staying are alike, a step too far is not undone by the next.
            self.longest_extrapolation = 0.0

    def solve(self, penalty_nj: float, start: Array | None = None) -> Plan:
        """Return the best plan for a penalty in nJ on each late answer."""
        values = self.zeros() if start is None else start
        rates = np.zeros(len(values))
        scale = max(abs(e) for row in self.problem.net_nj for e in row) or 1.0
        inside, extrapolation = np.zeros(1), 0.0
        for _ in range(self.most_sweeps):
            after, tables = self.sweep(values, penalty_nj)
            change = after - values
            rates = change.reshape(len(change), -1)[:, 0].copy()
            total = change[ENERGY] + penalty_nj * change[MISSES]
            # Only what can recur matters: lags up to the deadline.
            before, inside = inside, total[..., self._inside]
            late, span = change[MISSES][..., self._inside], np.ptp(inside)
            steady = np.abs(inside - before).max() < STEADY * span
            extrapolation = (
                min(max(STEP_RATIO * extrapolation, SHORTEST_STEP), self.longest_extrapolation)
                if steady
                else 0.0
            )
            ahead = change - rates.reshape(-1, *[1] * (change.ndim - 1))
            values = values + (extrapolation or DAMPING) * ahead
            if span < TOLERANCE * scale and np.ptp(late) < MISS_TOLERANCE:
                break
        return self.plan(penalty_nj, rates, tables, values)

    def zeros(self) -> Array:
        """Return the values to start from when no plan is at hand: all 0."""
        costs = CHANGED + 1 if self.problem.loses else MISSES + 1
        return np.zeros((costs, len(self.problem.clocks_khz), len(self._ages)))

    def plan(self, penalty_nj: float, rates: Array, tables: PlanTables, values: Array) -> Plan:
        """Return the plan that the last sweep stands for."""
        return Plan(
            self.problem, self.ages_ns, penalty_nj, self.net_nj(rates), float(rates[MISSES]),
            *tables, values, *map(float, rates[LOSS:]),
        )  # fmt: skip

    def net_nj(self, rates: Array) -> float:
        """Return the energy of a frame without the price of what it loses."""
        lost = float(rates[LOSS]) if len(rates) > LOSS else 0.0
        return float(rates[ENERGY]) - self.problem.loss_price_nj * lost

    def within(self, miss_bound: float) -> Plan:
        """Return the plan of least energy whose expected miss rate is at most `miss_bound`.

        Where none is, the plan with the fewest misses.
        """
        return self.around(miss_bound).feasible

    def around(self, miss_bound: float) -> PlanSet:
        """Return the plan of least energy within a bound on misses, and the next cheaper one.

        The multiplier is bisected on a coarse age grid, then moved step by step on the fine one
        until it lies between the two plans.
        """
        plan = self.solve(0.0)
        if _keeps(plan, miss_bound):
            return PlanSet(plan)
        unit = self._unit_nj
        coarse = type(self)(self.problem, self.steps // COARSER) if self.steps > COARSER else self
        penalty_nj = coarse.bisect(miss_bound, unit * LEAST_PENALTY, unit * HIGHEST_PENALTY)
        plan = self.solve(penalty_nj, plan.values)
        while not _keeps(plan, miss_bound):
            if penalty_nj >= unit * HIGHEST_PENALTY:
                return PlanSet(plan)
            penalty_nj *= FINE_RATIO
            plan = self.solve(penalty_nj, plan.values)
        # Where the first solution did not converge, every penalty may keep the bound.
        while plan.penalty_nj > unit * LEAST_PENALTY:
            cheaper = self.solve(plan.penalty_nj / FINE_RATIO, plan.values)
            if not _keeps(cheaper, miss_bound):
                return PlanSet(plan, cheaper if cheaper.miss_rate <= CHEAPER_MISSES else None)
            plan = cheaper
        return PlanSet(plan)

    def near(self, other: Plan, miss_bound: float) -> Plan:
        """Return a plan within a bound on misses, searched from another problem's plan on.

        Args:
            other: of a problem that differs by little.
            miss_bound: highest share of frames that may miss their deadline.
        """
        most_nj = self._unit_nj * HIGHEST_PENALTY
        plan = self.solve(other.penalty_nj, other.values)
        while not _keeps(plan, miss_bound) and plan.penalty_nj < most_nj:
            more_nj = max(plan.penalty_nj, self._unit_nj * LEAST_PENALTY) * FINE_RATIO
            plan = self.solve(more_nj, plan.values)
        return plan

    def backup(self, plan: Plan, miss_bound: float) -> Plan | None:
        """Return a backup: a plan that misses far less than another; None if there is none.

        Expected misses hold for the exit distribution that was planned with. Where frames leave
        later than that, the feasible plan misses more than its bound, and this one has to run.

        Args:
            plan: the feasible one; one that misses next to nothing needs no backup.
            miss_bound: highest share of frames that may miss their deadline.
        """
        if plan.miss_rate <= MISS_TOLERANCE:
            return None
        most = BACKUP_SHARE * min(miss_bound, plan.miss_rate)
        found, unit_nj = plan, self._unit_nj
        penalty_nj = max(plan.penalty_nj, unit_nj * LEAST_PENALTY)
        while found.miss_rate > most and penalty_nj < unit_nj * HIGHEST_PENALTY:
            penalty_nj *= BACKUP_RATIO
            found = self.solve(penalty_nj, found.values)
        return found if found.miss_rate < plan.miss_rate / 2 else None

    @property
    def _unit_nj(self) -> float:
        return sum(max(map(abs, row)) for row in self.problem.net_nj) or 1.0

    def bisect(self, miss_bound: float, low_nj: float, high_nj: float) -> float:
        """Return the least penalty that keeps the bound, to within `PENALTY_RATIO`."""
        values: Array | None = None
        while high_nj / low_nj > PENALTY_RATIO:
            middle = math.sqrt(low_nj * high_nj)
            plan = self.solve(middle, values)
            values = plan.values
            if _keeps(plan, miss_bound):
                high_nj = middle
            else:
                low_nj = middle
        return high_nj


def _keeps(plan: Plan, miss_bound: float) -> bool:
    # Below 0 it did not converge.
    return -MISS_TOLERANCE <= plan.miss_rate <= miss_bound + MISS_TOLERANCE / 2
