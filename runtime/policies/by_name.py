"""Policies by name: one place that knows every governor and what it needs."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

from numpy.typing import NDArray

from edge_infer.boards.operating_point import OperatingPoint
from edge_infer.runtime.errors import PolicyError
from edge_infer.runtime.governor import FixedGovernor, Governor, open_governor
from edge_infer.runtime.governors.conservative import ConservativeGovernor
from edge_infer.runtime.governors.ondemand import OndemandGovernor
from edge_infer.runtime.governors.planned import BinOf, PlannedGovernor
from edge_infer.runtime.governors.schedutil import SchedutilGovernor
from edge_infer.runtime.governors.trace_limit import MOST_FRAMES, TraceLimitGovernor
from edge_infer.runtime.governors.zero_pad import LowestClockGovernor
from edge_infer.runtime.planning.plan import PlanSet
from edge_infer.runtime.planning.problem import (
    Beliefs,
    PlanProblem,
    blind_beliefs,
    certain_beliefs,
    predicted_beliefs,
)
from edge_infer.runtime.planning.solving import solve_within
from edge_infer.runtime.policies.context import PolicyContext
from edge_infer.runtime.policies.joint import NAME as JOINT
from edge_infer.runtime.policies.joint import joint_governor
from edge_infer.runtime.prediction.predictor import ExitPredictor
from edge_infer.runtime.records import Frame

MUST_EARN = 0.005
"""Share of the energy that predicting must be expected to earn: the expectation is of the inputs
that the predictor was fitted on, so it flatters."""
UNCALIBRATED = "planned-uncalibrated"
"""As planned, with the cost table and the arrivals taken for true."""
PLANNED_SHARE = 0.8
"""Part of the miss bound that plans use: a finite run scatters around what is expected."""
ALLOWED_SHARE = 0.95
"""Part of it that may be used up by the account of misses, which sees every one of them."""
KERNEL = {
    governor.name: governor
    for governor in (OndemandGovernor, ConservativeGovernor, SchedutilGovernor)
}
PLANNED = (
    "planned", "planned-blind", "planned-zero-pad", "planned-perfect", UNCALIBRATED, JOINT,
)  # fmt: skip
LIMITS = ("oracle", "clairvoyant")
POLICIES = (
    "performance",
    "powersave",
    "fixed:<MHz>[x<threads>]",
    *KERNEL,
    "zero-pad",
    *PLANNED,
    *LIMITS,
)


def open_policy(name: str, context: PolicyContext) -> Governor:
    """Return the governor of a policy's name.

    Raises:
        PolicyError: the name is unknown, or what the policy needs is not known here.
        CostTableError: the cost table lacks a row that the policy plans with.
    """
    if name in KERNEL:
        return KERNEL[name](context.single_points, context.table.switch.time_ns)
    if name == "zero-pad":
        return _lowest_clock(context)
    if name == JOINT:
        return _joint(context)
    if name in PLANNED or name in LIMITS:
        return _planned(name, context)
    clocks = [point.clock_khz for point in context.single_points]
    clock, _, threads = name.removeprefix("fixed:").partition("x")
    if name.startswith("fixed:") and threads:
        governor = open_governor(f"fixed:{clock}", clocks)
        return FixedGovernor(name, _with_threads(governor, threads, context))
    try:
        return open_governor(name, clocks)
    except PolicyError as error:
        if "unknown policy" not in str(error):
            raise
        raise PolicyError(f"unknown policy {name!r}; there are: {', '.join(POLICIES)}") from None


def _with_threads(governor: Governor, threads: str, context: PolicyContext) -> OperatingPoint:
    assert isinstance(governor, FixedGovernor)
    count = int(threads) if threads.isdigit() else 0
    point = replace(governor.point, threads=count)
    if point not in context.points:
        offered = ", ".join(str(p) for p in context.points)
        raise PolicyError(f"no operating point of {threads} threads here; there are: {offered}")
    return point


def _lowest_clock(context: PolicyContext) -> LowestClockGovernor:
    predictor = _needed(context.zero_pad, "zero-pad")
    bin_of = context.zero_pad_bin_of or _asking(predictor)
    problem = context.problem(predicted_beliefs(predictor), context.plan_overheads)
    return LowestClockGovernor("zero-pad", problem, bin_of)


def _planned(name: str, context: PolicyContext) -> Governor:
    if name == UNCALIBRATED:
        governor = _planned("planned", replace(context, calibrate=False))
        governor.name = name
        return governor
    if len(context.stages) == 1 or name == "planned-blind":
        return _governor(name, context, blind_beliefs(context.exit_shares), None)
    if name == "planned":
        predictor = _needed(context.predictor, name)
        bin_of = context.bin_of or _asking(predictor)
        return _better(name, context, predicted_beliefs(predictor), bin_of)
    if name == "planned-zero-pad":
        zero_pad = _needed(context.zero_pad, name)
        bin_of = context.zero_pad_bin_of or _asking(zero_pad)
        return _better(name, context, predicted_beliefs(zero_pad), bin_of)
    exit_of: Callable[[Frame], int] = _needed(context.exit_of, name)

    def later_exit(frame: Frame, scores: NDArray[Any]) -> int:
        return exit_of(frame) - 1

    if name == "planned-perfect":
        return _better(name, context, certain_beliefs(context.exit_shares), later_exit)
    return _limit(name, context, exit_of, later_exit)


def _joint(context: PolicyContext) -> Governor:
    """Plan over ratios too, and predict where that pays at full width."""
    if not context.ratios:
        raise PolicyError(f"the policy {JOINT} needs a prunable bundle, whose ratios it chooses")
    sees = len(context.stages) > 2 and context.ratios[0].predictor is not None
    if sees:
        predictor = context.ratios[0].predictor
        assert predictor is not None
        sees = _better(
            "planned", context, predicted_beliefs(predictor), _asking(predictor)
        ).predicts
    bound = context.miss_bound
    return joint_governor(context, sees, bound * PLANNED_SHARE, bound * ALLOWED_SHARE)


def _limit(
    name: str, context: PolicyContext, exit_of: Callable[[Frame], int], later_exit: BinOf
) -> Governor:
    beforehand = name == "clairvoyant"
    kind_of = exit_of if beforehand else None
    beliefs = certain_beliefs(context.exit_shares, beforehand=beforehand)
    if len(set(context.gaps_ns)) > 1:
        arrivals_ns = _needed_trace(name, context.arrivals_ns)
        bound = context.miss_bound * PLANNED_SHARE
        problem = context.problem(beliefs)
        return TraceLimitGovernor(name, problem, arrivals_ns, bound, later_exit, kind_of)
    free = replace(context, calibrate=False, plan_overheads=0.0, budget=None)
    governor = _governor(
        name, free, beliefs, later_exit, exit_of if name == "clairvoyant" else None
    )
    governor.predicts = False  # a limit thinks for nothing
    return governor


def _better(name: str, context: PolicyContext, beliefs: Beliefs, bin_of: BinOf) -> PlannedGovernor:
    """Predict only where the prediction earns more than it costs."""
    bound = context.miss_bound * PLANNED_SHARE
    seeing = _solved(context.problem(beliefs, context.plan_overheads), bound)
    blind = _solved(context.problem(blind_beliefs(context.exit_shares)), bound)
    misses, net_nj = _rank(seeing, bound)
    if (misses, net_nj * (1 + MUST_EARN)) < _rank(blind, bound):
        return _governor(name, context, beliefs, bin_of, plans=seeing)
    return _governor(name, context, blind_beliefs(context.exit_shares), None, plans=blind)


def _rank(plans: PlanSet, bound: float) -> tuple[float, float]:
    """Fewest misses above the bound first, then the least energy."""
    net_nj, miss_rate = plans.mean(bound)
    return round(max(miss_rate - bound, 0.0), 4), net_nj


@lru_cache(maxsize=32)
def _solved(problem: PlanProblem, bound: float) -> PlanSet:
    return solve_within(problem, bound)


def _governor(
    name: str,
    context: PolicyContext,
    beliefs: Beliefs,
    bin_of: BinOf | None,
    kind_of: Callable[[Frame], int] | None = None,
    plans: PlanSet | None = None,
) -> PlannedGovernor:
    overheads = context.plan_overheads if bin_of is not None else 0.0
    problem = context.problem(beliefs, overheads)
    bound = context.miss_bound * PLANNED_SHARE
    plans = plans or _solved(problem, bound)
    return PlannedGovernor(
        name, problem, bound, bin_of, kind_of=kind_of,
        calibrate=context.calibrate, budget=context.budget() if context.budget else None,
        executor=context.executor, plans=plans, allowed_misses=context.miss_bound * ALLOWED_SHARE,
    )  # fmt: skip


def _needed_trace(name: str, arrivals_ns: Sequence[int] | None) -> Sequence[int]:
    if arrivals_ns is None or len(arrivals_ns) > MOST_FRAMES:
        raise PolicyError(
            f"the limit {name} plans each frame of a random workload from the trace of all: that "
            f"takes a replay of at most {MOST_FRAMES} frames"
        )
    return arrivals_ns


def _asking(predictor: ExitPredictor) -> BinOf:
    def bin_of(frame: Frame, scores: NDArray[Any]) -> int:
        return predictor.bin_of(scores)

    return bin_of


def _needed(thing: Any, name: str) -> Any:
    if thing is None:
        raise PolicyError(
            f"the policy {name} needs a predictor, and this bundle carries none here: use "
            "planned-blind, or a bundle with a predictor"
        )
    return thing


def fixed_policies(points: Sequence[OperatingPoint]) -> tuple[str, ...]:
    """Return the name of the fixed policy of each point."""
    return tuple(
        f"fixed:{p.clock_khz / 1000:g}" + (f"x{p.threads}" if p.threads > 1 else "") for p in points
    )
