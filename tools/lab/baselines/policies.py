"""The laboratory's policies, registered beside the runtime's when `edge_infer.lab` is imported."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from numpy.typing import NDArray

from edge_infer.runtime.errors import PolicyError
from edge_infer.runtime.governors.governor import Governor
from edge_infer.runtime.policies.policy import PLANS_WITH, Asked, Policy, register
from edge_infer.runtime.records import Frame

if TYPE_CHECKING:
    from edge_infer.lab.baselines.replay_context import ReplayContext
    from edge_infer.runtime.policies.context import PolicyContext

MOST_FRAMES = 4_000
"""Frames of a random workload that a limit plans one by one, at most: about 30 KiB each."""
Thing = TypeVar("Thing")


def _kernel(asked: Asked, context: "PolicyContext") -> Governor:
    from edge_infer.lab.baselines.kernel_governors import KERNEL_GOVERNORS

    kind = KERNEL_GOVERNORS[asked.text]
    return kind(context.single_points, context.table.switch.time_ns)


def _zero_pad(asked: Asked, context: "PolicyContext") -> Governor:
    from edge_infer.lab.baselines.zero_pad import LowestClockGovernor
    from edge_infer.runtime.planning.problem import predicted_exits
    from edge_infer.runtime.policies.plan_policies import asking

    known = _replayed(context, asked)
    predictor = _needed(known.zero_pad, asked)
    problem = context.problem(predicted_exits(predictor), context.plan_overheads)
    return LowestClockGovernor(asked.text, problem, known.zero_pad_bin_of or asking(predictor))


def _planned_zero_pad(asked: Asked, context: "PolicyContext") -> Governor:
    from edge_infer.runtime.planning.problem import predicted_exits
    from edge_infer.runtime.policies.plan_policies import (
        asking,
        planned_blind,
        predicting_where_it_pays,
    )

    if len(context.stages) == 1:
        return planned_blind(asked.text, context)
    known = _replayed(context, asked)
    predictor = _needed(known.zero_pad, asked)
    bin_of = known.zero_pad_bin_of or asking(predictor)
    return predicting_where_it_pays(asked.text, context, predicted_exits(predictor), bin_of)


def _planned_perfect(asked: Asked, context: "PolicyContext") -> Governor:
    from edge_infer.runtime.planning.problem import known_exits
    from edge_infer.runtime.policies.plan_policies import planned_blind, predicting_where_it_pays

    if len(context.stages) == 1:
        return planned_blind(asked.text, context)
    later_exit = _later_exit_of(_replayed(context, asked).exit_of)
    distribution = known_exits(context.exit_shares)
    return predicting_where_it_pays(asked.text, context, distribution, later_exit)


def _planned_without_feedback(asked: Asked, context: "PolicyContext") -> Governor:
    from edge_infer.runtime.policies.plan_policies import planned

    return planned(asked.text, context.altered(feedback=False))


def _limit(asked: Asked, context: "PolicyContext") -> Governor:
    """Return the governor that knows the exit, after the first stage or beforehand."""
    from edge_infer.lab.baselines.trace_limit import TraceLimitGovernor
    from edge_infer.runtime.governors.planned import PlannedGovernor
    from edge_infer.runtime.planning.problem import known_exits
    from edge_infer.runtime.policies.plan_policies import (
        ALLOWED_SHARE,
        PLANNED_SHARE,
        planned_blind,
        solved,
    )

    if len(context.stages) == 1:
        return planned_blind(asked.text, context)
    known, beforehand = _replayed(context, asked), asked.text == "clairvoyant"
    later_exit = _later_exit_of(known.exit_of)
    kind_of = known.exit_of if beforehand else None
    problem = context.problem(known_exits(context.exit_shares, beforehand=beforehand))
    allowed = context.settings.miss_bound
    bound = allowed * PLANNED_SHARE
    if len(set(context.gaps_ns)) > 1:
        arrivals_ns = _needed_trace(asked, known.arrivals_ns)
        return TraceLimitGovernor(asked.text, problem, arrivals_ns, bound, later_exit, kind_of)
    governor = PlannedGovernor(
        asked.text, problem, bound, later_exit, kind_of=kind_of, feedback=False,
        plans=solved(problem, bound), allowed_misses=allowed * ALLOWED_SHARE,
        executor=context.executor,
    )  # fmt: skip
    governor.predicts = False  # a limit predicts at no cost
    return governor


def _replayed(context: "PolicyContext", asked: Asked) -> "ReplayContext":
    from edge_infer.lab.baselines.replay_context import ReplayContext

    if not isinstance(context, ReplayContext):
        raise PolicyError(
            f"the policy {asked.text} is for compare alone: edge-infer compare BUNDLE --policy "
            f"{asked.text}"
        )
    return context


def _later_exit_of(exit_of: Callable[[Frame], int]) -> Callable[[Frame, NDArray[Any]], int]:
    return lambda frame, scores: exit_of(frame) - 1


def _needed(thing: Thing | None, asked: Asked) -> Thing:
    if thing is None:
        raise PolicyError(
            f"the policy {asked.text} needs a predictor, and this bundle carries none here: use "
            "planned-blind, or a bundle with a predictor"
        )
    return thing


def _needed_trace(asked: Asked, arrivals_ns: Sequence[int] | None) -> Sequence[int]:
    if arrivals_ns is None or len(arrivals_ns) > MOST_FRAMES:
        raise PolicyError(
            f"the limit {asked.text} plans each frame of a random workload from the trace of all: "
            f"that takes a replay of at most {MOST_FRAMES} frames"
        )
    return arrivals_ns


KERNEL = ("ondemand", "conservative", "schedutil")
"""Governors of the kernel, by their published rules."""
LIMITS = ("oracle", "clairvoyant")

register(
    *(
        Policy(name, "the kernel's, simulated", _kernel, needs=("cost table",), kind="baseline")
        for name in KERNEL
    ),
    Policy(
        "zero-pad", "the lowest clock that reaches the exit predicted in time", _zero_pad,
        needs=("cost table",), kind="baseline",
    ),
    Policy(
        "planned-zero-pad", "as planned, by the published predictor", _planned_zero_pad,
        needs=("cost table",), uses=PLANS_WITH,
    ),
    Policy(
        "planned-perfect", "as planned, with a predictor that is always right", _planned_perfect,
        needs=("cost table",), uses=PLANS_WITH, kind="limit",
    ),
    Policy(
        "planned-uncalibrated", "as planned, with the cost table taken for true",
        _planned_without_feedback, needs=("cost table", "predictor"), uses=PLANS_WITH,
    ),
    Policy(
        "oracle", "knows the exit after the first stage, and every arrival", _limit,
        needs=("cost table",), uses=PLANS_WITH, kind="limit",
    ),
    Policy(
        "clairvoyant", "knows the exit beforehand, and every arrival", _limit,
        needs=("cost table",), uses=PLANS_WITH, kind="limit",
    ),
)  # fmt: skip
