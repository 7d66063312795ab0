"""The price of accuracy: the multiplier of a bound on the mean accuracy that ratios lose.

A bound rather than a price given by the user: nobody can say what a percentage point is worth in
joules, but what may be lost is what `tune` is told too. The price is found on a coarse grid of
time, as the multiplier of the misses is.
"""

import math
from dataclasses import replace

from runtime.joint_planner import JointPlanner
from runtime.plan import JointPlan
from runtime.plan_problem import PlanProblem

COARSE_SLOTS = 40
RATIO = 1.5
"""The search ends when the price is known within this factor."""
LEAST, MOST = 1e-3, 1e4
"""Prices that are tried, in units of a frame's highest energy a point. The highest outweighs
misses: where not both bounds can be kept, the loss is, and the deadline as well as can be."""


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

    unit = sum(max(map(abs, row)) for row in problem.net_nj) or 1.0
    if loses(0.0) <= loss_points:
        return at(0.0)
    if loss_points <= 0.0:
        return at(unit * MOST)
    low_nj, high_nj = unit * LEAST, unit * MOST
    while high_nj / low_nj > RATIO:
        middle_nj = math.sqrt(low_nj * high_nj)
        if loses(middle_nj) <= loss_points:
            high_nj = middle_nj
        else:
            low_nj = middle_nj
    return at(high_nj)
