"""The price of accuracy: the multiplier of a bound on the mean accuracy that ratios lose.

A bound rather than a price given by the user: nobody can say what a percentage point is worth in
joules, but what may be lost is what `tune` is told too. The price is found on a coarse grid of
time, as the multiplier of the misses is.
"""

import math
from dataclasses import replace

from runtime.planning.joint_planner import JointPlanner
from runtime.planning.plan import JointPlan, PlanPair
from runtime.planning.problem import PlanProblem

TOLERANCE = 0.01
"""Of the loss, in percentage points."""
COARSE_SLOTS = 40
RATIO = 1.5
"""The search ends when the price is known within this factor."""
LEAST, MOST = 1e-3, 1e4
"""Prices that are tried, in units of a frame's highest energy a point. The highest outweighs
misses: where not both bounds can be kept, the loss is, and the deadline as well as can be."""


def within_loss(problem: PlanProblem, miss_bound: float) -> PlanPair:
    """Return the best plans around a bound on misses that keep the problem's bound on the loss.

    Args:
        problem: with narrower ratios, over the points that can matter. A price that it has already
            is only raised, where the loss asks for it; else it is searched.
        miss_bound: highest share of frames that may miss their deadline.
    """
    most_points, tried = problem.loss_bound_points, problem
    if not problem.loss_price_nj:
        tried = priced(problem, miss_bound, most_points)
    highest_nj = _unit(problem) * MOST
    while True:
        careful, eager = JointPlanner(tried).around(miss_bound)
        assert isinstance(careful, JointPlan)
        if careful.loss_points <= most_points + TOLERANCE or tried.loss_price_nj >= highest_nj:
            break
        # The grid was too coarse: a little dearer.
        tried = replace(tried, loss_price_nj=max(tried.loss_price_nj, highest_nj / 1e6) * RATIO)
    if isinstance(eager, JointPlan) and eager.loss_points > most_points + TOLERANCE:
        eager = None
    return PlanPair(careful, eager)


def _unit(problem: PlanProblem) -> float:
    return sum(max(map(abs, row)) for row in problem.net_nj) or 1.0


def priced(problem: PlanProblem, miss_bound: float, loss_points: float) -> PlanProblem:
    """Return a joint problem with the least price that keeps the mean loss at or below a bound.

    Args:
        problem: with narrower ratios; its own ratio loses nothing.
        miss_bound: highest share of frames that may miss their deadline.
        loss_points: highest mean loss by ratios, in percentage points.
    """
    pruned = problem.pruned()

    def at(price_nj: float) -> PlanProblem:
        return replace(problem, loss_price_nj=price_nj)

    def loses(price_nj: float) -> float:
        tried = replace(pruned, loss_price_nj=price_nj)
        plan = JointPlanner(tried, COARSE_SLOTS).within(miss_bound)
        assert isinstance(plan, JointPlan)
        return plan.loss_points

    unit = _unit(problem)
    if loss_points <= 0.0:
        return at(unit * MOST)
    if loses(0.0) <= loss_points:
        return at(0.0)
    low_nj, high_nj = unit * LEAST, unit * MOST
    while high_nj / low_nj > RATIO:
        middle_nj = math.sqrt(low_nj * high_nj)
        if loses(middle_nj) <= loss_points:
            high_nj = middle_nj
        else:
            low_nj = middle_nj
    return at(high_nj)
