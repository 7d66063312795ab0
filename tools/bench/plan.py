"""What a plan costs on this computer: the exit predicted and the operating point looked up."""

import time

import numpy as np
from numpy.typing import NDArray

from boards import open_board
from models_tflite import Backend, Bundle, load_stages
from models_tflite.manifest import FULL_RATIO
from runtime.governors.planned import PlannedGovernor
from runtime.planning.problem import plan_problem, predicted_beliefs
from runtime.prediction.predictor import SoftmaxPredictor
from runtime.records import ExitDecision, Frame, StageResult
from runtime.stage_work import works_of

BOARD = "sim:raspberry-pi-5"
"""Whose clocks are planned with; a lookup costs the same for all."""
DEADLINE_NS = 100_000_000


def plan_us(bundle: Bundle, backend: Backend, runs: int) -> NDArray[np.float64] | None:
    """Return the times in us of `runs` plans, over the golden frames in turn.

    A plan is made between the first stage and the second: so there is none on the path of a
    single-stage model, nor without an exit predictor to ask, and None is returned.
    """
    carried = (bundle.manifest.predictor or {}).get(FULL_RATIO)
    if len(bundle.manifest.stages) == 1 or carried is None:
        return None
    predictor = SoftmaxPredictor.from_document(carried)
    governor = _governor(bundle, predictor)
    first = load_stages(bundle, backend)[0]
    assert first.prepare is not None  # a first stage reads the frame
    rows = [first.run(first.prepare(data)) for data in bundle.golden().frames]
    stay = ExitDecision(False, 0, 0.0)
    times = np.empty(runs, np.int64)
    for run in range(runs):
        frame = Frame(run, rows[run % len(rows)], 0, DEADLINE_NS)
        governor.first_point(frame, 0, 0)
        result = StageResult(0, frame.data, 1000)
        begin = time.perf_counter_ns()
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
    return PlannedGovernor("planned", problem, 0.01, lambda frame, scores: predictor.bin_of(scores))
