"""What a plan costs on this computer: exits predicted, operating points and ratios looked up."""

import time

import numpy as np
from numpy.typing import NDArray

from edge_infer.boards import open_board
from edge_infer.models_tflite import Backend, Bundle, load_stages
from edge_infer.models_tflite.manifest import FULL_RATIO
from edge_infer.runtime.arrivals import Periodic
from edge_infer.runtime.errors import PolicyError
from edge_infer.runtime.governors.planned import PlannedGovernor
from edge_infer.runtime.planning.problem import plan_problem, predicted_beliefs
from edge_infer.runtime.policies.context import PolicyContext, PolicySettings
from edge_infer.runtime.policies.joint import joint_governor
from edge_infer.runtime.policies.ratios import ratio_contexts
from edge_infer.runtime.predictor import SoftmaxPredictor
from edge_infer.runtime.records import ExitDecision, Frame, StageResult
from edge_infer.runtime.stage_work import works_of

BOARD = "sim:raspberry-pi-5"
"""Whose clocks are planned with; a lookup costs the same for all."""
DEADLINE_NS = 100_000_000
MISS_BOUND = 0.01


def plan_us(bundle: Bundle, backend: Backend, runs: int) -> NDArray[np.float64] | None:
    """Return the times in us of `runs` plans, over the golden frames in turn.

    A plan is made between the first stage and the second: so there is none on the path of a
    single-stage model, nor without an exit predictor to ask, and None is returned.
    """
    carried = (bundle.manifest.predictor or {}).get(FULL_RATIO)
    if len(bundle.manifest.stages) == 1 or carried is None:
        return None
    return _timed(_governor(bundle, SoftmaxPredictor.from_document(carried)), bundle, backend, runs)


def joint_plan_us(bundle: Bundle, backend: Backend, runs: int) -> NDArray[np.float64] | None:
    """Return the times in us of `runs` joint plans: as `plan_us`, with the choice of the ratio.

    None for a bundle that has no ratios, or does not tell what they lose.
    """
    try:
        ratio_contexts(bundle.manifest)
    except PolicyError:
        return None
    with open_board(BOARD) as board:
        settings = PolicySettings(deadline_ns=DEADLINE_NS, arrivals=Periodic(1e9 / DEADLINE_NS))
        context = PolicyContext(bundle, board, settings)
        governor = joint_governor("planned-joint", context, True, MISS_BOUND, MISS_BOUND)
    return _timed(governor, bundle, backend, runs, chooses_ratio=True)


def _timed(
    governor: PlannedGovernor,
    bundle: Bundle,
    backend: Backend,
    runs: int,
    chooses_ratio: bool = False,
) -> NDArray[np.float64]:
    """Time what is decided after the first stage, and before it if the ratio is."""
    first = load_stages(bundle, backend)[0]
    assert first.prepare is not None  # a first stage reads the frame
    rows = [first.run(first.prepare(data)) for data in bundle.golden().frames]
    stay, goes_on = ExitDecision(False, 0, 0.0), len(bundle.manifest.stages) > 1
    times = np.empty(runs, np.int64)
    for run in range(runs):
        frame = Frame(run, rows[run % len(rows)], 0, DEADLINE_NS)
        result = StageResult(0, frame.data, 1000)
        begin = time.perf_counter_ns()
        governor.first_point(frame, 0, 0)
        if not chooses_ratio:
            begin = time.perf_counter_ns()
        if goes_on:
            governor.next_point(frame, result, stay)
        times[run] = time.perf_counter_ns() - begin
    return times / 1000


def _governor(bundle: Bundle, predictor: SoftmaxPredictor) -> PlannedGovernor:
    works = works_of(bundle)
    with open_board(BOARD) as board:
        table = board.cost_table(works)
    assert table is not None  # simulated boards have one
    names, beliefs = [work.name for work in works], predicted_beliefs(predictor)
    problem = plan_problem(table, names, table.points, beliefs, DEADLINE_NS, (DEADLINE_NS,))
    return PlannedGovernor(
        "planned", problem, MISS_BOUND, lambda frame, scores: predictor.bin_of(scores)
    )
