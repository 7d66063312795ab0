"""The planner's policies: with an exit predicted where that pays, and without.

A prediction is asked for only where it is expected to earn more than it costs; the plans are
solved once for each problem.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

from numpy.typing import NDArray

from edge_infer.runtime.errors import PolicyError
from edge_infer.runtime.exit_chain import ExitChain
from edge_infer.runtime.governors.leaving import LeavingGovernor
from edge_infer.runtime.governors.planned import BinOf, Choice, PlannedGovernor
from edge_infer.runtime.planning.plan import PlanSet
from edge_infer.runtime.planning.problem import (
    ExitDistribution,
    PlanProblem,
    chained_exits,
    marginal_exits,
    predicted_exits,
)
from edge_infer.runtime.planning.solving import solve_within
from edge_infer.runtime.policies.context import PolicyContext
from edge_infer.runtime.predictor import ExitPredictor
from edge_infer.runtime.records import Frame

MUST_EARN = 0.005
"""Share of the energy that predicting must be expected to earn: the expectation is of the inputs
that the predictor was fitted on, so it flatters."""
PLANNED_SHARE = 0.8
"""Part of the miss bound that plans use: a finite run scatters around what is expected."""
ALLOWED_SHARE = 0.85
"""Part of it that the token bucket of misses may use up. On boards that are not their tables the
careful plan misses some, too: with 0.95 one run of nine came to 1.07 % of a bound of 1 %."""


SURENESS = 1.645
"""Standard errors of the loss that are kept from its bound: one-sided 95 %, as the promise of the
thresholds."""


def planned(name: str, context: PolicyContext) -> PlannedGovernor:
    """Return the governor that predicts the exit where that pays."""
    predictor = context.predictor
    if len(context.stages) == 1 or predictor is None:
        return planned_blind(name, context)
    bin_of = context.bin_of or asking(predictor)
    return predicting_where_it_pays(name, context, predicted_exits(predictor), bin_of)


def planned_blind(name: str, context: PolicyContext) -> PlannedGovernor:
    """Return the governor that knows the exits by their shares alone."""
    return _governor(name, context, lambda: _blind(context))


def predicting_where_it_pays(
    name: str, context: PolicyContext, distribution: ExitDistribution, bin_of: BinOf
) -> PlannedGovernor:
    """Predict only where the prediction earns more than it costs."""
    return _governor(name, context, lambda: paying_choice(context, distribution, bin_of))


def paying_choice(context: PolicyContext, distribution: ExitDistribution, bin_of: BinOf) -> Choice:
    """Return the plans with prediction where they earn more than it costs, else those without."""
    bound = context.settings.miss_bound * PLANNED_SHARE
    seeing, blind = _choice(context, distribution, bin_of), _blind(context)
    misses, net_nj = _rank(seeing.plans, bound)
    pays = (misses, net_nj * (1 + MUST_EARN)) < _rank(blind.plans, bound)
    return seeing if pays else blind


def _blind(context: PolicyContext) -> Choice:
    return _choice(context, marginal_exits(context.exit_shares))


def _choice(
    context: PolicyContext, distribution: ExitDistribution, bin_of: BinOf | None = None
) -> Choice:
    problem = context.problem(distribution, context.plan_overheads if bin_of else 0.0)
    return Choice(problem, bin_of, solved(problem, context.settings.miss_bound * PLANNED_SHARE))


def _governor(name: str, context: PolicyContext, choose: Callable[[], Choice]) -> PlannedGovernor:
    """Return the governor of a choice; where there is an executor, it makes it beside the run."""
    bound, executor = context.settings.miss_bound, context.executor
    if executor is None:
        problem, bin_of, plans = choose()
        choosing = None
    else:
        problem, bin_of, plans = context.problem(marginal_exits(context.exit_shares)), None, None
        choosing = executor.submit(choose)
    return PlannedGovernor(
        name, problem, bound * PLANNED_SHARE, bin_of, feedback=context.feedback,
        budget=context.budget(), executor=executor, plans=plans,
        allowed_misses=bound * ALLOWED_SHARE, choosing=choosing,
    )  # fmt: skip


def planned_leaving(name: str, context: PolicyContext) -> PlannedGovernor:
    """Return the governor that may also answer before a threshold says so, within a loss.

    Raises:
        PolicyError: the thresholds use the loss up.
    """
    chain = context.chain
    if len(context.stages) == 1 or chain is None:
        return planned_blind(name, context)
    settings, executor = context.settings, context.executor
    if no_room := nothing_to_give_up(chain, settings.loss_points):
        raise PolicyError(f"the policy {name}: {no_room}")
    problem = replace(
        context.problem(chained_exits(chain)), loss_bound_points=settings.loss_points,
        loss_sureness=SURENESS,
    )  # fmt: skip
    bound = settings.miss_bound * PLANNED_SHARE

    def choose() -> Choice:
        return Choice(problem, None, solved(problem, bound))

    return LeavingGovernor(
        name, problem, bound, feedback=context.feedback, budget=context.budget(),
        executor=executor, plans=None if executor else choose().plans,
        allowed_misses=settings.miss_bound * ALLOWED_SHARE,
        choosing=executor.submit(choose) if executor else None,
    )  # fmt: skip


def nothing_to_give_up(chain: ExitChain, loss_points: float) -> str:
    """Return why a loss leaves nothing beside what thresholds lose; empty where it does."""
    lost, changed = chain.tuned_loss
    surest = chain.surest(lost, changed, SURENESS)
    if surest < loss_points:
        return ""
    return (
        f"the thresholds lose {lost:.2f} points by themselves, up to {surest:.2f} with what "
        f"{chain.inputs} inputs can say: a loss of {loss_points:g} leaves nothing to give up; "
        f"allow more than {surest:.2f}, or take the policy planned"
    )


def asking(predictor: ExitPredictor) -> BinOf:
    """Return a function that asks the predictor about a frame's first scores."""

    def bin_of(frame: Frame, scores: NDArray[Any]) -> int:
        return predictor.bin_of(scores)

    return bin_of


@lru_cache(maxsize=32)
def solved(problem: PlanProblem, bound: float) -> PlanSet:
    """Return the plans around a bound on misses, solved once."""
    return solve_within(problem, bound)


def _rank(plans: PlanSet, bound: float) -> tuple[float, float]:
    """Fewest misses above the bound first, then the least energy."""
    net_nj, miss_rate = plans.mean(bound)
    return round(max(miss_rate - bound, 0.0), 4), net_nj
