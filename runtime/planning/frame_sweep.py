"""One step of a planner back in time: from the values before the next frame to those before this.

Arrays are [cost, ..., clock, age], with energy and misses as costs: both are carried, so that a
plan's miss rate is known; they are added up, misses times the penalty, only where a point is
chosen. Where accuracy can be given up, two more are carried behind them: the percentage points
lost, whose price is in the energy as well, and the share of answers that change. A frame's age is
the time since its arrival.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_infer.runtime.exit_chain import LeavingLoss
from edge_infer.runtime.planning.age_grid import GapCoupling, age_grid_ns, overflow_odds
from edge_infer.runtime.planning.problem import PlanProblem

Array = NDArray[np.float64]
ENERGY, MISSES, LOSS, CHANGED = 0, 1, 2, 3
LEAVES = 128
"""Added to the point of a later stage where the frame leaves instead; the point stands for when it
may not."""
PlanTables = tuple[NDArray[np.uint8], tuple[NDArray[np.uint8], ...], NDArray[np.uint8]]


class FrameSweep:
    """The choices of one frame, for any penalty.

    Args:
        problem: what is planned for.
        steps: even steps of age up to the deadline.
        ages_ns: an age grid, instead of the problem's own.
    """

    def __init__(
        self, problem: PlanProblem, steps: int, ages_ns: tuple[int, ...] | None = None
    ) -> None:
        self.problem = problem
        self.steps = steps
        self.ages_ns = ages_ns or age_grid_ns(problem, steps)
        self._clock = np.array(problem.clock_of)[:, None]
        clocks = range(len(problem.clocks_khz))
        self._points_of = [np.flatnonzero(self._clock == c) for c in clocks]
        self._only_points: NDArray[np.intp] | None = None
        if len(self._points_of) == len(self._clock):
            self._only_points = np.tile(np.arange(len(clocks))[:, None], (1, len(self.ages_ns)))
        ages = self._ages = np.array(self.ages_ns, float)
        # By stage: [point, age] (as places in [clock, age]), or [point, 1] without the time.
        time_ns = [np.array(row)[:, None] for row in problem.time_ns]
        self._net_nj = [np.array(row, float)[:, None] for row in problem.net_nj]
        self._after = [self._place(ages + times_ns) for times_ns in time_ns]
        plan_ns = np.array(problem.plan_ns)[self._clock]
        self._after_plan = self._place(ages + time_ns[0] + plan_ns)
        self._plan_nj = np.array(problem.plan_net_nj, float)[self._clock]
        self._beyond = [self._late_frames(ages + times_ns) for times_ns in time_ns]
        self._after_switch = self._index(ages + problem.switch_ns)
        self._inside = ages <= problem.deadline_ns
        self._late = (~self._inside).astype(float)
        self._chain = problem.distribution.chain
        self._stay = [] if self._chain is None else [np.array(rows) for rows in self._chain.stay]
        exits = np.array(problem.distribution.exits or ((),))
        reach = exits[:, ::-1].cumsum(axis=1)[:, ::-1]
        with np.errstate(invalid="ignore", divide="ignore"):
            self._leave = np.where(reach > 1e-12, exits / reach, 1.0)
        self._idle_net_uw = np.array(problem.idle_net_uw, float)[:, None]
        self.couple(problem.gaps_ns)

    def couple(self, gaps_ns: Sequence[int], overflow: Array | None = None) -> None:
        """Plan for these gaps between arrivals; none for back to back.

        Args:
            gaps_ns: equally likely.
            overflow: probability, by age, that the queue is full when a frame's turn comes; by
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

    def _place(self, ages_ns: NDArray[Any]) -> NDArray[np.intp]:
        """Return the flat index in [clock, age] of ages in ns, by point."""
        return self._clock * len(self._ages) + self._index(ages_ns)

    def _late_frames(self, ages_ns: NDArray[Any]) -> Array:
        """Return how many more frames an age beyond the last one makes late: one for each gap.

        The last age stands for all beyond: without this, delay there would cost nothing, and a plan
        that is far behind would never catch up.
        """
        gaps_ns = self.problem.gaps_ns
        if not gaps_ns or not sum(gaps_ns):
            return np.zeros((len(self._clock), 1))
        found: Array = np.maximum(ages_ns - self._ages[-1], 0.0) * len(gaps_ns) / sum(gaps_ns)
        return found

    def _index(self, ages_ns: NDArray[Any]) -> NDArray[np.intp]:
        """Return the indices of ages in ns, rounded up; the last one stands for all beyond."""
        return np.minimum(np.searchsorted(self._ages, ages_ns), len(self._ages) - 1)

    def sweep(self, values: Array, penalty_nj: float) -> tuple[Array, PlanTables]:
        """Go back one frame: from the values before the next one to those before this one.

        Args:
            values: [cost, clock, age].
            penalty_nj: on each late answer.

        Returns:
            The values before this frame, and its tables: first, later and idle as in `Plan`.
        """
        end, idle = self._frame_end(values, penalty_nj)
        distribution = self.problem.distribution
        later: list[NDArray[np.uint8]] = []
        staying: Array | None = None
        for stage in range(self.problem.stages - 1, 0, -1):
            bins = distribution.bins_at(stage - 1)
            staying, choice = self._choose(self._stage(stage, end, staying), penalty_nj)
            choice = np.repeat(choice, bins // len(choice), axis=0)
            if self._chain is not None:
                staying, choice = self._or_leave(stage - 1, end, staying, choice, penalty_nj)
            later.insert(0, choice)
        kinds, firsts = [], []
        for kind, shares in enumerate(distribution.bins):
            going = None if staying is None else _mean(shares, staying, 1)
            found, choice = self._choose(self._first(kind, end, going), penalty_nj)
            kinds.append(found)
            firsts.append(choice)
        before = _mean(distribution.shares, np.array(kinds), 0)
        if self._overflow is not None:
            # Pushed out of the full queue: a miss that takes no time.
            end[MISSES] += 1 - self._late
            before = (1 - self._overflow) * before + self._overflow * end
        return before, (np.array(firsts), tuple(later), idle)

    def _stage(self, stage: int, end: Array, staying: Array | None) -> Array:
        """Return the cost of running a later stage: [2, bin, point, age].

        There is one bin before the last stage: everybody leaves there.
        """
        cost = end[:, None]
        if self._chain is not None:
            cost = self._chained(stage, end, staying)
        elif staying is not None:
            leave = self._leave[:, stage - 1, None, None]
            cost = leave * cost + (1 - leave) * staying
        cost = _taken(cost, self._after[stage])
        cost[ENERGY] += self._net_nj[stage]
        cost[MISSES] += self._beyond[stage]
        return cost

    def _chained(self, stage: int, end: Array, staying: Array | None) -> Array:
        """Return the cost from the end of a stage on, by bin at the exit before: [k, bin, ...]."""
        leaving = self._tuned(stage, end)
        if staying is None:
            return leaving[:, None]
        stay = self._stay[stage - 1]
        left = (1 - stay.sum(axis=1))[:, None, None] * leaving[:, None]
        # Not by BLAS, whose threads wait for each other busily.
        going: Array = left + np.einsum("ij,kjca->kica", stay, staying)
        return going

    def _tuned(self, exit_: int, end: Array) -> Array:
        """Return the cost of leaving by the threshold of an exit."""
        if self._chain is None:
            return end
        return self._lost(end, self._chain.tuned, exit_)

    def _or_leave(
        self, exit_: int, end: Array, staying: Array, choice: NDArray[np.uint8], penalty_nj: float
    ) -> tuple[Array, NDArray[np.uint8]]:
        """Return the least cost of going on from an exit or leaving there: [k, bin, clock, age]."""
        assert self._chain is not None
        loss = self._chain.forced[exit_]
        leaving = np.stack([self._lost(end, loss, b) for b in range(len(loss.points))], axis=1)
        staying = np.broadcast_to(staying, leaving.shape)
        leaves = total_of(leaving, penalty_nj) < total_of(staying, penalty_nj)
        flagged = np.where(leaves, choice + LEAVES, choice).astype(np.uint8)
        return np.where(leaves, leaving, staying), flagged

    def _lost(self, end: Array, loss: LeavingLoss, group: int) -> Array:
        """Return the cost of the end of a frame whose answer loses what a group loses."""
        found = end.copy()
        found[ENERGY] += self.problem.loss_price_nj * loss.points[group]
        found[LOSS] += loss.points[group]
        found[CHANGED] += loss.changed[group]
        return found

    def _first(self, kind: int, end: Array, going: Array | None) -> Array:
        """Return the cost of running the first stage: [2, point, age].

        Args:
            kind: what is known before.
            end: cost from the end of the frame on: [2, clock, age].
            going: likewise of going on from here, expected over the bins; None if there is no
                further stage.
        """
        cost = _taken(self._tuned(0, end), self._after[0])
        if going is not None:
            leave = self.problem.distribution.leave[kind]
            cost = leave * cost + (1 - leave) * _taken(going, self._after_plan)
            cost[ENERGY] += (1 - leave) * self._plan_nj
        cost[ENERGY] += self._net_nj[0]
        cost[MISSES] += self._beyond[0]
        return cost

    def _choose(self, cost: Array, penalty_nj: float) -> tuple[Array, NDArray[np.uint8]]:
        """Return the least cost [2, ..., clock, age] of [2, ..., point, age], and its point.

        For each clock in force: at its own best point, or at that of another after a switch.
        """
        total = total_of(cost, penalty_nj)
        points = self._only_points
        if points is None:
            own = [mine[total[..., mine, :].argmin(axis=-2)] for mine in self._points_of]
            points = np.stack(own, axis=-2)
            cost = np.take_along_axis(cost, points[None], axis=-2)
            total = np.take_along_axis(total, points, axis=-2)
        # Every clock leads to the same age after a switch: choose first, then look that age up.
        clock, after = total.argmin(axis=-2), self._after_switch
        least = _picked(cost, clock).take(after, axis=-1)[..., None, :]
        least[ENERGY] += self.problem.switch_net_nj
        target = clock[..., None, :]
        if self._only_points is None:
            target = np.take_along_axis(points, target, axis=-2)
        target = target.take(after, axis=-1)
        stay = total <= total_of(least, penalty_nj)
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
        which = total_of(changed, penalty_nj).argmin(axis=0)[None]
        least = np.take_along_axis(changed, which[None], axis=1)
        stay = total_of(waits, penalty_nj) <= total_of(least, penalty_nj) + 1e-9
        ends = gaps.arrived(values) + np.where(stay, waits, least)
        ends[MISSES] += self._late
        own = np.arange(clocks, dtype=np.uint8)[:, None]
        return ends, np.where(stay, own, which.astype(np.uint8))


def _taken(values: Array, places: NDArray[np.intp]) -> Array:
    """Return [..., point, age] of [..., clock, age], from the places of `_place`."""
    found: Array = values.reshape(*values.shape[:-2], -1).take(places, axis=-1)
    return found


def _picked(cost: Array, clock: NDArray[np.intp]) -> Array:
    """Return [k, ..., age] of [k, ..., clock, age]: at each age that of the clock chosen."""
    clocks, ages = cost.shape[-2:]
    at = clock.reshape(-1, ages) * ages + np.arange(ages)
    at += (np.arange(len(at)) * (clocks * ages))[:, None]
    flat = cost.reshape(len(cost), -1)
    found: Array = flat.take(at, axis=1).reshape(len(cost), *clock.shape)
    return found


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


def total_of(cost: Array, penalty_nj: float) -> Array:
    """Return energy and misses weighed against each other, in nJ."""
    total: Array = cost[ENERGY] + penalty_nj * cost[MISSES]
    return total
