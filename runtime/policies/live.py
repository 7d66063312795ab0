"""Policies of the planner for a run on a board, with what the bundle and the board say."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from edge_infer.boards.contract import Board
from edge_infer.boards.cost_table import CostTable
from edge_infer.models_tflite.bundle import Bundle
from edge_infer.models_tflite.manifest import FULL_RATIO
from edge_infer.runtime.energy_budget import EnergyBudget
from edge_infer.runtime.errors import PolicyError
from edge_infer.runtime.governor import Governor
from edge_infer.runtime.planning.problem import exit_shares_of
from edge_infer.runtime.policies.by_name import PLANNED, open_policy
from edge_infer.runtime.policies.context import PolicyContext
from edge_infer.runtime.policies.joint import NAME as JOINT
from edge_infer.runtime.policies.ratio_context import ratio_contexts
from edge_infer.runtime.prediction.predictor import SoftmaxPredictor
from edge_infer.runtime.stage_work import all_works, switch_work, works_of
from edge_infer.runtime.workload.arrivals import Arrivals
from edge_infer.runtime.workload.workloads import typical_gaps_ns

LIVE = ("planned", "planned-blind", JOINT)
"""The planner's policies that need nothing but the bundle."""
NO_DEADLINE_NS = 3_600_000_000_000
"""An hour stands for no deadline."""


def live_governor(
    policy: str,
    bundle: Bundle,
    board: Board,
    arrivals: Arrivals,
    deadline_ns: int | None,
    threads: int = 1,
    miss_bound: float = 0.01,
    table: CostTable | None = None,
    budget_uw: int | None = None,
    loss_points: float = 1.0,
) -> Governor | None:
    """Return the governor of a planner's policy, None for any other policy.

    Args:
        policy: as the user wrote it.
        bundle: its manifest carries the predictor.
        board: gives the cost table, unless `table` is one that was measured.
        arrivals: what to expect.
        deadline_ns: from arrival to the due answer.
        threads: at most this many; powers of two up to it may be chosen.
        miss_bound: share of frames that may be late.
        table: a measured cost table.
        budget_uw: mean power of the whole board to keep to.
        loss_points: mean accuracy that pruning ratios may lose, for a policy that chooses them.

    Raises:
        PolicyError: the board has no cost table, the bundle no predictor, or no ratios.
        CostTableError: a row is missing.
        BudgetError: the budget is below the floor.
    """
    if policy not in PLANNED:
        return None
    if policy not in LIVE:
        raise PolicyError(f"the policy {policy} is for compare alone; here are: {', '.join(LIVE)}")
    manifest = bundle.manifest
    works = works_of(bundle)
    ratios = ratio_contexts(manifest) if policy == JOINT else ()
    change = switch_work(manifest, FULL_RATIO)
    costs = table or board.cost_table([*all_works(bundle), change] if ratios else works)
    if costs is None:
        raise PolicyError(
            f"the policy {policy} needs a cost table and {board.name} has none: fill one with "
            f"edge-infer measure {manifest.name} --board {board.name}"
        )
    stages = tuple(work.name for work in works)
    counts = {2**n for n in range(threads.bit_length())}
    points = tuple(point for point in costs.points if point.threads in counts)
    if not points:
        raise PolicyError(
            f"the cost table of {costs.board} has no operating point of {threads} threads or "
            "fewer: fill one with edge-infer measure --threads, or give a run more --threads"
        )
    known: Sequence[float] = (1.0,)
    predictor = None
    carried = (manifest.predictor or {}).get(FULL_RATIO)
    if ratios:
        predictor, known = ratios[0].predictor, ratios[0].exit_shares
    elif len(stages) > 1:
        if carried is None:
            raise PolicyError(
                f"{manifest.name} carries no exit predictor: add one with edge-infer tune"
            )
        predictor = SoftmaxPredictor.from_document(carried)
        known = exit_shares_of(predictor)
    context = PolicyContext(
        table=costs,
        stages=stages,
        points=points,
        deadline_ns=deadline_ns or NO_DEADLINE_NS,
        gaps_ns=typical_gaps_ns(arrivals),
        miss_bound=miss_bound,
        exit_shares=tuple(known),
        predictor=predictor,
        ratios=ratios,
        ratio_switch=change.name,
        loss_points=loss_points,
        executor=None if board.simulated else ThreadPoolExecutor(1, "planner"),
        budget=None if budget_uw is None else lambda: EnergyBudget.of(manifest, costs, budget_uw),
    )
    return open_policy(policy, context)
