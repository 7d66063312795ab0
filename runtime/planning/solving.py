"""Solve a planning problem: over points alone, or over pruning ratios too."""

from edge_infer.runtime.planning.joint_planner import JointPlanner
from edge_infer.runtime.planning.loss_price import within_loss
from edge_infer.runtime.planning.plan import PlanSet
from edge_infer.runtime.planning.planner import Planner
from edge_infer.runtime.planning.problem import PlanProblem


def planner_of(problem: PlanProblem) -> Planner:
    """Return the planner of a problem, over the points that can matter."""
    pruned = problem.pruned()
    return JointPlanner(pruned) if pruned.narrower else Planner(pruned)


def solve_within(problem: PlanProblem, miss_bound: float) -> PlanSet:
    """Return the best plans around a bound on misses."""
    if problem.narrower:
        return within_loss(problem.pruned(), miss_bound)
    planner = planner_of(problem)
    plans = planner.around(miss_bound)
    return plans._replace(strict=planner.strict(plans.careful, miss_bound))
