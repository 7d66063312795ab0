"""The joint policy: what is known of each pruning ratio, a problem over them, and its governor."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from edge_infer.boards.cost_table import CostTable
from edge_infer.models_tflite.manifest import Manifest
from edge_infer.runtime.errors import PolicyError
from edge_infer.runtime.governors.joint import JointGovernor
from edge_infer.runtime.governors.planned import BinOf
from edge_infer.runtime.planning.problem import (
    ExitDistribution,
    PlanProblem,
    exit_shares_of,
    marginal_exits,
    predicted_exits,
)
from edge_infer.runtime.policies.context import PolicyContext
from edge_infer.runtime.policies.plan_policies import (
    ALLOWED_SHARE,
    PLANNED_SHARE,
    asking,
    paying_choice,
)
from edge_infer.runtime.predictor import SoftmaxPredictor, carried_predictor
from edge_infer.runtime.stage_costs import row_name


@dataclass(frozen=True)
class RatioContext:
    """One ratio of a bundle."""

    ratio: str
    stages: tuple[str, ...]
    """Names of its rows in the cost table."""
    exit_shares: tuple[float, ...]
    """Share of held-back inputs that leave at each exit."""
    loss_points: float
    """Accuracy lost against the full width, both without exits, in percentage points."""
    predictor: SoftmaxPredictor | None = None
    bin_of: BinOf | None = None
    """Instead of asking the predictor."""


def ratio_contexts(manifest: Manifest) -> tuple[RatioContext, ...]:
    """Return what a manifest says of its ratios, the full width first.

    Leaving early loses what the ratio's thresholds promise, at every ratio; what the ratio itself
    loses is taken from the accuracies on held-back images in the provenance.

    Raises:
        PolicyError: the bundle cannot be pruned, or does not say how accurate its ratios are.
    """
    if manifest.prunable is None:
        raise PolicyError(f"{manifest.name} has no ratios to choose from: it is not prunable")
    names = [stage.name for stage in manifest.stages]
    by_ratio = manifest.provenance.get("ratios")
    ratios = sorted(manifest.ratios, key=float, reverse=True)
    found = []
    for ratio in ratios:
        predictor = carried_predictor(manifest, ratio)
        found.append(
            RatioContext(
                ratio,
                tuple(row_name(name, ratio) for name in names),
                _shares(predictor, len(names)),
                _accuracy(by_ratio, ratios[0], names[-1], manifest.name)
                - _accuracy(by_ratio, ratio, names[-1], manifest.name),
                predictor,
            )
        )
    return tuple(found)


def _shares(predictor: SoftmaxPredictor | None, stages: int) -> tuple[float, ...]:
    """Return the exit shares; of a ratio without a predictor every frame is taken to pass all."""
    if predictor is not None:
        return exit_shares_of(predictor)
    return (*[0.0] * (stages - 1), 1.0)


def _accuracy(by_ratio: Any, ratio: str, stage: str, name: str) -> float:
    found = by_ratio
    for key in (ratio, "held_back", stage):
        found = found.get(key) if isinstance(found, Mapping) else None
    if not isinstance(found, int | float):
        raise PolicyError(
            f"{name} does not say how accurate its ratio {ratio} is on held-back images: train it "
            "with edge-infer train, or use planned"
        )
    return float(found)


def worth_choosing(
    ratios: Sequence[RatioContext], costs: Mapping[str, Sequence[float]]
) -> list[str]:
    """Return the ratios that can be worth choosing.

    Kept are those that a mixture of two others, frame by frame, cannot replace in at least one of
    the costs: the corners of the lower convex hull of loss and cost.

    Args:
        ratios: the full width first, which always stays.
        costs: for each ratio the figures to compare, such as expected time and energy.
    """
    kept = {ratios[0].ratio}
    for index in range(len(costs[ratios[0].ratio])):
        kept |= _corners([(one.loss_points, costs[one.ratio][index], one.ratio) for one in ratios])
    return [one.ratio for one in ratios if one.ratio in kept]


Corner = tuple[float, float, str]
"""Loss, cost and name of a ratio."""


def _corners(points: Sequence[Corner]) -> set[str]:
    """Return the names of the corners, from the least loss to the least cost."""
    hull: list[Corner] = []
    for point in sorted(points):
        if hull and point[1] >= hull[-1][1]:
            continue
        while len(hull) > 1 and _above(hull[-2], hull[-1], point):
            hull.pop()
        hull.append(point)
    return {name for _, _, name in hull}


def _above(left: Corner, middle: Corner, right: Corner) -> bool:
    """Return True when the middle lies on or above the line between the others."""
    share = (middle[0] - left[0]) / (right[0] - left[0])
    return middle[1] >= left[1] + share * (right[1] - left[1])


def planned_joint(name: str, context: PolicyContext) -> JointGovernor:
    """Return the governor that plans ratio and clock, and predicts where that pays at full width.

    Raises:
        PolicyError: the bundle does not say how accurate its ratios are.
        CostTableError: the cost table lacks a stage at a ratio, or the change of a ratio.
        BudgetError: the energy budget is below the floor.
    """
    full, predicts = context.ratios[0], False
    if len(context.stages) > 2 and full.predictor is not None:
        distribution = predicted_exits(full.predictor)
        predicts = paying_choice(context, distribution, asking(full.predictor)).bin_of is not None
    bound = context.settings.miss_bound
    return joint_governor(name, context, predicts, bound * PLANNED_SHARE, bound * ALLOWED_SHARE)


def joint_governor(
    name: str, context: PolicyContext, predicts: bool, miss_bound: float, allowed_misses: float
) -> JointGovernor:
    """Return the governor that plans ratio, clock and exit together.

    Args:
        name: the policy.
        context: with ratios.
        predicts: ask the exit predictors.
        miss_bound: that plans keep.
        allowed_misses: that may be used up.
    """
    problem, chosen = joint_problem(context, predicts)
    return JointGovernor(
        name, replace(problem, loss_bound_points=context.settings.loss_points), miss_bound,
        [_bin_of(one, predicts) for one in chosen],
        feedback=context.feedback, budget=context.budget(),
        allowed_misses=allowed_misses, executor=context.executor,
    )  # fmt: skip


def joint_problem(context: PolicyContext, predicts: bool) -> tuple[PlanProblem, list[RatioContext]]:
    """Return the problem over the ratios that can be worth choosing, and those ratios.

    Raises:
        CostTableError: the cost table lacks a stage at a ratio, or the change of a ratio.
    """
    problems = {one.ratio: _problem(context, one, predicts) for one in context.ratios}
    costs = {one.ratio: _costs(problems[one.ratio], one.exit_shares) for one in context.ratios}
    names = worth_choosing(context.ratios, costs)
    if len(names) == 1:  # no ratio earns anything; there must be a choice all the same
        names = [one.ratio for one in context.ratios[:2]]
    chosen = [one for one in context.ratios if one.ratio in names]
    full, *narrower = (problems[one.ratio] for one in chosen)
    change_ns, change_nj = _change(context.table, full, context.ratio_switch)
    return replace(
        full, narrower=tuple(narrower), ratio_switch_ns=change_ns, ratio_switch_net_nj=change_nj
    ), chosen


def _problem(context: PolicyContext, one: RatioContext, predicts: bool) -> PlanProblem:
    predicts = predicts and one.predictor is not None
    overheads = context.plan_overheads if predicts else 0.0
    own = context.problem(_distribution(one, predicts), overheads, one.stages)
    return replace(own, ratio=one.ratio, loss_points=one.loss_points)


def _distribution(one: RatioContext, predicts: bool) -> ExitDistribution:
    if predicts:
        assert one.predictor is not None
        return predicted_exits(one.predictor)
    return marginal_exits(one.exit_shares)


def _bin_of(one: RatioContext, predicts: bool) -> BinOf | None:
    predictor = one.predictor
    if not predicts or predictor is None:
        return None
    return one.bin_of or (lambda frame, scores: predictor.bin_of(scores))


def _costs(problem: PlanProblem, shares: Sequence[float]) -> list[float]:
    """Return the least longest time, expected time and expected energy of a frame, over points."""
    reach = [sum(shares[stage:]) for stage in range(problem.stages)]
    always = [1.0] * problem.stages

    def least(rows: Sequence[Sequence[float]], weights: Sequence[float]) -> float:
        return min(
            sum(weight * row[point] for weight, row in zip(weights, rows, strict=True))
            for point in range(len(problem.points))
        )

    return [
        least(problem.time_ns, always), least(problem.time_ns, reach), least(problem.net_nj, reach)
    ]  # fmt: skip


def _change(
    table: CostTable, problem: PlanProblem, row_name: str
) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Return time in ns and net energy in nJ of a change of ratio, by clock, on one thread."""
    reference_uw = table.idle_reference_uw
    rows = [
        table.row(row_name, min(p for p in problem.points if p.clock_khz == khz))
        for khz in problem.clocks_khz
    ]
    return (
        tuple(row.time_ns for row in rows),
        tuple(row.energy_nj - reference_uw * row.time_ns / 1e6 for row in rows),
    )
