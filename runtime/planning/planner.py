"""The planner: operating points of every stage, solved ahead of time into a table.

A frame is a short stochastic shortest path. Its state is the stage, the bin of belief about its
exit, the time since its arrival and the clock in force; a choice is the operating point of the
next stage. Frames are coupled, since a late one delays the next, so the whole is a Markov decision
process with the cost of a frame

    energy above the idle reference + energy of switches + penalty * [late]

that is solved for the least mean cost per frame by relative value iteration (Puterman, Markov
Decision Processes, 1994, section 8.5). The penalty is the Lagrange multiplier of the bound on
misses, found by bisection (Altman, Constrained Markov Decision Processes, 1999). Choosing speeds
ahead of time from the distribution of the remaining work is PACE (Lorch and Smith, SIGMETRICS
2001), in its practical form with few speeds and switch costs (Xu, Xi, Melhem, Mosse, EMSOFT 2004);
what is new here is that the distribution is the one that the first exit's scores point to.

Time since arrival is told apart at `steps` even steps up to the deadline, and at every time that a
frame can have come to at one point all the way, so that a fixed clock is judged exactly. What falls
between is rounded up: a plan never counts on time that it does not have.
"""

import math

import numpy as np

from edge_infer.runtime.planning.frame_sweep import ENERGY, MISSES, Array, FrameSweep, PlanTables
from edge_infer.runtime.planning.plan import Plan, PlanSet
from edge_infer.runtime.planning.problem import PlanProblem

STEPS = 400
"""Slots that a deadline is divided into."""
MOST_SWEEPS = 300
TOLERANCE = 1e-4
"""Of the mean cost per frame at which value iteration ends, relative."""
MISS_TOLERANCE = 5e-4
"""Of the miss rate, absolute."""
DAMPING = 0.8
"""Step of value iteration. A full step would not settle where the best schedule alternates
between frames (Puterman, section 8.5.4)."""
STEADY = 0.05
"""A sweep changes what the one before it did, to this share of the span: then the step is a extrapolation.
Where another clock is a little better, but for the cost of getting there, every sweep adds that
little alone; a extrapolation too far is undone by the next sweep, which goes there. What decays by more is
left alone: the shortest extrapolation would swing it to and fro."""
SHORTEST_STEP, LONGEST_STEP, STEP_RATIO = 32.0, 4096.0, 4.0
COARSER = 4
"""How much coarser time is while the multiplier is searched."""
PENALTY_RATIO, FINE_RATIO = 1.3, 1.5
"""The search ends when the multiplier is known within the first; the second is the step on the fine
grid."""
CHEAPER_MISSES = 0.2
"""Highest miss rate of an eager plan: beyond it lies one that lets the queue fill for good."""
BACKUP_SHARE = 0.25
"""Share of the bound, and of what another plan misses, that a strict plan may miss."""
BACKUP_RATIO = 2.0
"""Step of the multiplier on the way to a strict plan."""
LEAST_PENALTY, HIGHEST_PENALTY = 0.01, 3000.0
"""In units of a frame's highest energy: beyond this a miss is avoided at any price."""


class Planner(FrameSweep):
    """Solves one problem for any penalty. Arrays are [energy or misses, ..., clock, age]."""

    most_sweeps, longest_extrapolation = MOST_SWEEPS, LONGEST_STEP

    def __init__(
        self, problem: PlanProblem, steps: int = STEPS, ages_ns: tuple[int, ...] | None = None
    ) -> None:
        super().__init__(problem, steps, ages_ns)

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
        """Return values that nothing is known of."""
        return np.zeros((2, len(self.problem.clocks_khz), len(self._ages)))

    def plan(self, penalty_nj: float, rates: Array, tables: PlanTables, values: Array) -> Plan:
        """Return a plan of what the last sweep came to."""
        return Plan(
            self.problem, self.ages_ns, penalty_nj, float(rates[ENERGY]), float(rates[MISSES]),
            *tables, values,
        )  # fmt: skip

    def within(self, miss_bound: float) -> Plan:
        """Return the plan of least energy whose expected miss rate is at most `miss_bound`.

        Where none is, the plan with the fewest misses.
        """
        return self.around(miss_bound).feasible

    def around(self, miss_bound: float) -> PlanSet:
        """Return the plan of least energy within a bound on misses, and the next cheaper one.

        The multiplier is found on a coarse grid of time first, then settled on the fine one.
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
        while True:
            cheaper = self.solve(plan.penalty_nj / FINE_RATIO, plan.values)
            if not _keeps(cheaper, miss_bound):
                return PlanSet(plan, cheaper if cheaper.miss_rate <= CHEAPER_MISSES else None)
            plan = cheaper

    def backup(self, plan: Plan, miss_bound: float) -> Plan | None:
        """Return a plan that misses far less than another, None where that misses little or must.

        Expected misses rest on what is believed of the exits: where frames leave later than that,
        a plan that takes their lateness into account keeps no bound. This one hardly does.
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
    return plan.miss_rate <= miss_bound + MISS_TOLERANCE / 2
