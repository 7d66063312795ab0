"""Solve a planning problem: over points alone, or over what gives up accuracy too.

Two Lagrange multipliers are searched: the penalty on a late answer for the bound on misses, and the
price of accuracy, for the bound on the loss by pruning and by leaving early.
"""

import math
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

from edge_infer.runtime.planning.age_grid import even_grid_ns
from edge_infer.runtime.planning.frame_sweep import Array
from edge_infer.runtime.planning.joint_planner import STEPS, JointPlanner
from edge_infer.runtime.planning.plan import Plan, PlanSet
from edge_infer.runtime.planning.planner import HIGHEST_PENALTY, Planner
from edge_infer.runtime.planning.problem import PlanProblem

LOSS_TOLERANCE_POINTS = 0.01
"""By so much a plan may exceed the bound on the loss, in percentage points."""
COARSE_STEPS = 40
"""Of age up to the deadline, while the price of the loss is searched."""
RATIO = 1.5
"""A search ends when a multiplier is known within this factor."""
WIDER = 8.0
"""Steps in which the penalty on misses is looked for beyond the range of the search before."""
LEAST_PRICE, HIGHEST_PRICE = 1e-3, 1e4
"""Prices of a percentage point that are tried, in units of a frame's highest energy. The highest
outweighs misses: where not both bounds can be kept, the loss is, the deadline as well as can be."""


def planner_of(problem: PlanProblem) -> Planner:
    """Return the planner of a problem, over the points that can matter."""
    return _over(problem.pruned())


def _over(problem: PlanProblem, steps: int | None = None) -> Planner:
    """Return the planner over a problem's points as they are."""
    if problem.narrower:
        return JointPlanner(problem, steps or STEPS)
    if problem.loses and steps is not None:
        # A search looks at many plans: without the ages of each point all the way.
        return Planner(problem, steps, even_grid_ns(problem, steps))
    return Planner(problem, STEPS) if problem.loses else Planner(problem)


def solve_within(problem: PlanProblem, miss_bound: float) -> PlanSet:
    """Return the plans on either side of a bound on misses, and a backup.

    Where accuracy can be given up they keep the problem's bound on the loss too.
    """
    if problem.loses:
        return within_loss(problem.pruned(), miss_bound)
    planner = planner_of(problem)
    plans = planner.around(miss_bound)
    return plans._replace(backup=planner.backup(plans.feasible, miss_bound))


def within_loss(problem: PlanProblem, miss_bound: float) -> PlanSet:
    """Return the best plans around a bound on misses that keep the problem's bound on the loss.

    Args:
        problem: in which accuracy can be given up, over the points that can matter. A price that
            it has already is only raised, where the loss asks for it; else it is searched.
        miss_bound: highest share of frames that may miss their deadline.
    """
    most_points, tried = problem.loss_bound_points, problem
    if not problem.loss_price_nj:
        tried = priced(problem, miss_bound, most_points)
    highest_nj, step = _unit_nj(problem) * HIGHEST_PRICE, RATIO
    while True:
        planner = _over(tried)
        plans = planner.around(miss_bound)
        if _keeps(plans.feasible, most_points) or tried.loss_price_nj >= highest_nj:
            break
        # The coarse age grid found too low a price: raise it a little, then a lot.
        price_nj = max(tried.loss_price_nj, highest_nj / 1e6) * step
        tried, step = replace(tried, loss_price_nj=min(price_nj, highest_nj)), step * step
    backup = planner.backup(plans.feasible, miss_bound)
    plans = plans._replace(giving=_giving(tried, plans.feasible, miss_bound))
    return plans._replace(
        cheaper=plans.cheaper if _keeps(plans.cheaper, most_points) else None,
        backup=backup if _keeps(backup, most_points) else None,
    )


def _giving(problem: PlanProblem, feasible: Plan, miss_bound: float) -> Plan | None:
    """Return the plan at the next lower price of accuracy that is another one than the feasible."""
    least_nj = _unit_nj(problem) * LEAST_PRICE
    price_nj = problem.loss_price_nj if problem.distribution.chain is not None else 0.0
    while price_nj:
        price_nj = price_nj / RATIO if price_nj > least_nj else 0.0
        plan = _over(replace(problem, loss_price_nj=price_nj)).near(feasible, miss_bound)
        if plan.loss_points > feasible.loss_points + LOSS_TOLERANCE_POINTS:
            return plan if plan.net_nj_per_frame < feasible.net_nj_per_frame else None
    return None


def _keeps(plan: Plan | None, most_points: float) -> bool:
    return plan is not None and plan.surest_loss_points <= most_points + LOSS_TOLERANCE_POINTS


def _unit_nj(problem: PlanProblem) -> float:
    """Return the highest energy of a frame: what multipliers are measured in."""
    return sum(max(map(abs, row)) for row in problem.net_nj) or 1.0


def priced(problem: PlanProblem, miss_bound: float, loss_points: float) -> PlanProblem:
    """Return a joint problem with the least price that keeps the mean loss at or below a bound.

    Args:
        problem: in which accuracy can be given up.
        miss_bound: highest share of frames that may miss their deadline.
        loss_points: highest mean loss, in percentage points.
    """
    loses = _Losses(problem.pruned(), miss_bound)

    def at(price_nj: float) -> PlanProblem:
        return replace(problem, loss_price_nj=price_nj)

    unit_nj = _unit_nj(problem)
    if loss_points <= 0.0:
        return at(unit_nj * HIGHEST_PRICE)
    if loses.at(0.0) <= loss_points:
        return at(0.0)
    low_nj, high_nj = unit_nj * LEAST_PRICE, unit_nj * HIGHEST_PRICE
    while high_nj / low_nj > RATIO:
        middle_nj = math.sqrt(low_nj * high_nj)
        if loses.at(middle_nj) <= loss_points:
            high_nj = middle_nj
        else:
            low_nj = middle_nj
    return at(high_nj)


class _Losses:
    """What plans within a bound on misses lose at a price, on a coarse age grid.

    The multiplier of the misses hardly depends on the price: each search begins around the last.
    """

    def __init__(self, problem: PlanProblem, miss_bound: float) -> None:
        self._problem = problem
        self._miss_bound = miss_bound
        unit_nj = _unit_nj(problem)
        self._least_nj, self._highest_nj = unit_nj * LEAST_PRICE, unit_nj * HIGHEST_PENALTY
        self._low_nj, self._high_nj = self._least_nj, self._highest_nj
        self._values: Array | None = None

    def at(self, price_nj: float) -> float:
        """Return the expected loss in percentage points."""
        planner = _over(replace(self._problem, loss_price_nj=price_nj), COARSE_STEPS)
        low_nj, high_nj = self._low_nj, self._high_nj
        best = self._solved(planner, high_nj)
        while not self._keeps(best) and high_nj < self._highest_nj:
            low_nj, high_nj = high_nj, min(high_nj * WIDER, self._highest_nj)
            best = self._solved(planner, high_nj)
        while low_nj > self._least_nj and self._keeps(lower := self._solved(planner, low_nj)):
            best, high_nj, low_nj = lower, low_nj, max(low_nj / WIDER, self._least_nj)
        while high_nj / low_nj > RATIO:
            middle_nj = math.sqrt(low_nj * high_nj)
            plan = self._solved(planner, middle_nj)
            if self._keeps(plan):
                best, high_nj = plan, middle_nj
            else:
                low_nj = middle_nj
        self._low_nj, self._high_nj = max(low_nj / 2, self._least_nj), high_nj
        return best.surest_loss_points

    def _solved(self, planner: Planner, penalty_nj: float) -> Plan:
        plan = planner.solve(penalty_nj, self._values)
        self._values = plan.values
        return plan

    def _keeps(self, plan: Plan) -> bool:
        return plan.miss_rate <= self._miss_bound


class Solution(NamedTuple):
    """What solving anew came to."""

    plans: PlanSet
    level: float
    """The part of the deadline that the plan holds back."""
    refused: bool
    """More was asked to be held back, and no plan keeps the bound with that."""


@lru_cache(maxsize=32)
def solution(problem: PlanProblem, miss_bound: float | None, level: float) -> Solution:
    """Solve for a bound on misses with a part of the deadline held back.

    None as the bound lets every frame be late. A reserve moves between a few steps, so
    solutions are kept.
    """
    if miss_bound is None:
        return Solution(PlanSet(planner_of(problem).solve(0.0)), level, False)
    plans = solve_within(problem.due_earlier(level), miss_bound)
    if level and plans.feasible.miss_rate > miss_bound:
        return Solution(solve_within(problem, miss_bound), 0.0, True)
    return Solution(plans, level, False)
