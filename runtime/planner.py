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

Time since arrival is told apart at `slots` even steps up to the deadline, and at every time that a
frame can have come to at one point all the way, so that a fixed clock is judged exactly. What falls
between is rounded up: a plan never counts on time that it does not have.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runtime.age_slots import age_slots_ns
from runtime.gap_coupling import GapCoupling, overflow_odds
from runtime.plan import Plan
from runtime.plan_problem import PlanProblem

Array = NDArray[np.float64]

SLOTS = 400
"""Slots that a deadline is divided into."""
MOST_SWEEPS = 150
TOLERANCE = 1e-4
"""Of the mean cost per frame at which value iteration ends, relative."""
MISS_TOLERANCE = 5e-4
"""Of the miss rate, absolute."""
DAMPING = 0.8
"""Step of value iteration. A full step would not settle where the best schedule alternates
between frames (Puterman, section 8.5.4)."""
COARSER = 4
"""How much coarser time is while the multiplier is searched."""
PENALTY_RATIO, FINE_RATIO = 1.3, 1.5
"""The search ends when the multiplier is known within the first; the second is the step on the fine
grid."""
HIGHEST_PENALTY = 3000.0
"""In units of a frame's highest energy: beyond this a miss is avoided at any price."""

ENERGY, MISSES = 0, 1
PlanTables = tuple[NDArray[np.uint8], tuple[NDArray[np.uint8], ...], NDArray[np.uint8]]


def solve_within(problem: PlanProblem, miss_bound: float) -> Plan:
    """Return the best plan within a bound on misses, over the points that can matter."""
    return Planner(problem.pruned()).within(miss_bound)


class Planner:
    """Solves one problem for any penalty. Arrays are [energy or misses, ..., clock, slot]."""

    def __init__(self, problem: PlanProblem, slots: int = SLOTS) -> None:
        self.problem = problem
        self.slots = slots
        self._clock = np.array(problem.clock_of)[:, None]
        self._points_of = [np.flatnonzero(self._clock == c) for c in range(len(problem.clocks_khz))]
        self.ages_ns = age_slots_ns(problem, slots)
        ages = self._ages = np.array(self.ages_ns, float)
        # By stage: [point, slot], or [point, 1] for what does not depend on the time.
        time_ns = [np.array(row)[:, None] for row in problem.time_ns]
        self._net_nj = [np.array(row, float)[:, None] for row in problem.net_nj]
        self._after = [self._index(ages + times_ns) for times_ns in time_ns]
        plan_ns = np.array(problem.plan_ns)[self._clock]
        self._after_plan = self._index(ages + time_ns[0] + plan_ns)
        self._plan_nj = np.array(problem.plan_net_nj, float)[self._clock]
        self._after_switch = self._index(ages + problem.switch_ns)
        self._inside = ages <= problem.deadline_ns
        self._late = (~self._inside).astype(float)
        self._exits = np.array(problem.beliefs.exits)
        reach = self._exits[:, ::-1].cumsum(axis=1)[:, ::-1]
        with np.errstate(invalid="ignore", divide="ignore"):
            self._leave = np.where(reach > 1e-12, self._exits / reach, 1.0)
        self._idle_net_uw = np.array(problem.idle_net_uw, float)[:, None]
        self.couple(problem.gaps_ns)

    def solve(self, penalty_nj: float, start: Array | None = None) -> Plan:
        """Return the best plan for a penalty in nJ on each late answer."""
        clocks = len(self.problem.clocks_khz)
        values = np.zeros((2, clocks, len(self._ages))) if start is None else start
        rates = np.zeros(2)
        scale = max(abs(e) for row in self.problem.net_nj for e in row) or 1.0
        for _ in range(MOST_SWEEPS):
            after, tables = self.sweep(values, penalty_nj)
            change = after - values
            rates = change[:, 0, 0].copy()
            values = values + DAMPING * (change - rates[:, None, None])
            total = change[ENERGY] + penalty_nj * change[MISSES]
            # Only what can recur matters: lags up to the deadline.
            inside, late = total[:, self._inside], change[MISSES][:, self._inside]
            if np.ptp(inside) < TOLERANCE * scale and np.ptp(late) < MISS_TOLERANCE:
                break
        first, later, idle = tables
        return Plan(
            self.problem, self.ages_ns, penalty_nj, float(rates[ENERGY]), float(rates[MISSES]),
            first, later, idle, values,
        )  # fmt: skip

    def within(self, miss_bound: float) -> Plan:
        """Return the plan of least energy whose expected miss rate is at most `miss_bound`.

        Where none is, the plan with the fewest misses. The multiplier is found on a coarse grid
        of time first, then settled on the fine one.
        """
        plan = self.solve(0.0)
        if _keeps(plan, miss_bound):
            return plan
        unit = sum(max(map(abs, row)) for row in self.problem.net_nj) or 1.0
        coarse = Planner(self.problem, self.slots // COARSER) if self.slots > COARSER else self
        penalty_nj = coarse.bisect(miss_bound, unit * 0.01, unit * HIGHEST_PENALTY)
        plan = self.solve(penalty_nj, plan.values)
        while not _keeps(plan, miss_bound):
            if penalty_nj >= unit * HIGHEST_PENALTY:
                return plan
            penalty_nj *= FINE_RATIO
            plan = self.solve(penalty_nj, plan.values)
        while True:
            cheaper = self.solve(plan.penalty_nj / FINE_RATIO, plan.values)
            if not _keeps(cheaper, miss_bound):
                return plan
            plan = cheaper

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

    def couple(self, gaps_ns: Sequence[int], overflow: Array | None = None) -> None:
        """Plan for these gaps between arrivals; none for back to back.

        Args:
            gaps_ns: equally likely.
            overflow: probability, by slot, that the queue is full when a frame's turn comes; by
                the gaps if None.
        """
        self._gaps: GapCoupling | None = None
        self._overflow: Array | None = None
        if gaps_ns:
            limit = self.problem.queue_limit
            self._gaps = GapCoupling(gaps_ns, self._ages, self.problem.switch_ns)
            if limit:
                known = overflow is not None
                self._overflow = overflow if known else overflow_odds(gaps_ns, self._ages, limit)

    def _index(self, ages_ns: NDArray[Any]) -> NDArray[np.intp]:
        """Return the slots of times since arrival, rounded up; the last one holds all beyond."""
        return np.minimum(np.searchsorted(self._ages, ages_ns), len(self._ages) - 1)

    def sweep(self, values: Array, penalty_nj: float) -> tuple[Array, PlanTables]:
        """Go back one frame: from the values before the next one to those before this one.

        Args:
            values: [energy or misses, clock, slot].
            penalty_nj: on each late answer.

        Returns:
            The values before this frame, and its tables: first, later and idle as in `Plan`.
        """
        end, idle = self._frame_end(values, penalty_nj)
        beliefs, bins = self.problem.beliefs, len(self._exits)
        later: list[NDArray[np.uint8]] = []
        staying: Array | None = None
        for stage in range(self.problem.stages - 1, 0, -1):
            staying, choice = self._choose(self._stage(stage, end, staying), penalty_nj)
            later.insert(0, np.repeat(choice, bins // len(choice), axis=0))
        kinds, firsts = [], []
        for kind, shares in enumerate(beliefs.bins):
            going = None if staying is None else _mean(shares, staying, 1)
            found, choice = self._choose(self._first(kind, end, going), penalty_nj)
            kinds.append(found)
            firsts.append(choice)
        before = _mean(beliefs.shares, np.array(kinds), 0)
        if self._overflow is not None:
            # Pushed out of the full queue: a miss that takes no time.
            end[MISSES] += 1 - self._late
            before = (1 - self._overflow) * before + self._overflow * end
        return before, (np.array(firsts), tuple(later), idle)

    def _stage(self, stage: int, end: Array, staying: Array | None) -> Array:
        """Return the cost of running a later stage: [2, bin, point, slot].

        There is one bin before the last stage: everybody leaves there.
        """
        clock, after = self._clock, self._after[stage]
        cost = end[:, clock, after][:, None]
        if staying is not None:
            leave = self._leave[:, stage - 1, None, None]
            cost = leave * cost + (1 - leave) * staying[:, :, clock, after]
        cost[ENERGY] += self._net_nj[stage]
        return cost

    def _first(self, kind: int, end: Array, going: Array | None) -> Array:
        """Return the cost of running the first stage: [2, point, slot].

        Args:
            kind: what is known before.
            end: cost from the end of the frame on: [2, clock, slot].
            going: likewise of going on from here, expected over the bins; None if there is no
                further stage.
        """
        cost = end[:, self._clock, self._after[0]]
        if going is not None:
            leave = self.problem.beliefs.leave[kind]
            cost = leave * cost + (1 - leave) * going[:, self._clock, self._after_plan]
            cost[ENERGY] += (1 - leave) * self._plan_nj
        cost[ENERGY] += self._net_nj[0]
        return cost

    def _choose(self, cost: Array, penalty_nj: float) -> tuple[Array, NDArray[np.uint8]]:
        """Return the least cost [2, ..., clock, slot] of [2, ..., point, slot], and its point.

        For each clock in force: at its own best point, or at that of another after a switch.
        """
        total = _total(cost, penalty_nj)
        own = [mine[total[..., mine, :].argmin(axis=-2)] for mine in self._points_of]
        points = np.stack(own, axis=-2)
        cost = np.take_along_axis(cost, points[None], axis=-2)
        total = np.take_along_axis(total, points, axis=-2)
        after = self._after_switch
        clock = total[..., after].argmin(axis=-2)[..., None, :]
        least = np.take_along_axis(cost[..., after], clock[None], axis=-2)
        least[ENERGY] += self.problem.switch_net_nj
        target = np.take_along_axis(points[..., after], clock, axis=-2)
        stay = total <= _total(least, penalty_nj)
        return np.where(stay, cost, least), np.where(stay, points, target).astype(np.uint8)

    def _frame_end(self, values: Array, penalty_nj: float) -> tuple[Array, NDArray[np.uint8]]:
        """Return the cost from the end of a frame on, and the clock to wait for the next one at.

        The next frame has already arrived for the gaps shorter than the time since this one's
        arrival; for the others there is a wait, and the clock may change meanwhile.
        """
        clocks = len(self.problem.clocks_khz)
        gaps = self._gaps
        if gaps is None:  # back to back: the next frame arrives now
            ends = np.repeat(values[..., :1], len(self._ages), axis=-1)
            ends[MISSES] += self._late
            idle = np.arange(clocks, dtype=np.uint8)[:, None]
            return ends, np.tile(idle, (1, len(self._ages)))
        waits = values[..., :1] * gaps.waiting
        waits[ENERGY] += gaps.wait_ns * self._idle_net_uw / 1e6
        changed = gaps.changing(values)
        changed[ENERGY] += gaps.short_wait_ns * self._idle_net_uw / 1e6
        changed[ENERGY] += self.problem.switch_net_nj * gaps.waiting
        which = _total(changed, penalty_nj).argmin(axis=0)[None]
        least = np.take_along_axis(changed, which[None], axis=1)
        stay = _total(waits, penalty_nj) <= _total(least, penalty_nj) + 1e-9
        ends = gaps.arrived(values) + np.where(stay, waits, least)
        ends[MISSES] += self._late
        own = np.arange(clocks, dtype=np.uint8)[:, None]
        return ends, np.where(stay, own, which.astype(np.uint8))


def _keeps(plan: Plan, miss_bound: float) -> bool:
    return plan.miss_rate <= miss_bound + MISS_TOLERANCE / 2


def _mean(shares: Sequence[float], values: Array, axis: int) -> Array:
    """Return the mean along an axis; of one value it is that, whatever the shares.

    Not by BLAS, whose threads wait for each other busily.
    """
    found: Array = values.take(range(1), axis).squeeze(axis)
    if values.shape[axis] == 1:
        return found
    found = np.zeros_like(found)
    for index, share in enumerate(shares):
        if share:
            found += share * values.take(index, axis)
    return found


def _total(cost: Array, penalty_nj: float) -> Array:
    total: Array = cost[ENERGY] + penalty_nj * cost[MISSES]
    return total
