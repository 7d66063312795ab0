"""What hands out cells gives the same to the byte, here and on two processes."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from edge_infer.boards.profile import load_profile
from edge_infer.boards.uncertainty import drawn
from edge_infer.lab import scoring
from edge_infer.lab.comparison.comparison import Comparison
from edge_infer.lab.comparison.comparison_document import compare, read_statics
from edge_infer.lab.comparison.comparison_frames import read_frames
from edge_infer.lab.comparison.conditions import Conditions
from edge_infer.lab.reproduce import eenet, eenet_grid
from edge_infer.lab.tuning.exit_outcomes import ExitOutcomes
from edge_infer.lab.tuning.promise_check import check_promise
from edge_infer.lab.work import IN_PROCESS, CellRunner, Processes
from edge_infer.models_tflite import open_bundle
from edge_infer.models_tflite.backend import open_backend
from edge_infer.models_tflite.manifest import FULL_RATIO

BOARD = "sim:raspberry-pi-5"


@pytest.fixture(scope="module")
def workers() -> Iterator[CellRunner]:
    work = CellRunner(Processes(2))
    yield work
    work.close()


@pytest.fixture(scope="module")
def pair() -> eenet_grid.Pair:
    bundle, kernels = open_bundle("digits-early-exit"), open_backend()
    frames = read_frames(bundle, kernels, None, 200, FULL_RATIO)
    return bundle, frames, read_statics(bundle, frames, [], kernels, None, 200, lambda text: None)


def same(run: Callable[[CellRunner], Any], workers: CellRunner) -> Any:
    here = json.dumps(run(IN_PROCESS))
    assert here == json.dumps(run(workers))
    return json.loads(here)


@pytest.mark.slow
def test_the_grid(
    workers: CellRunner, pair: eenet_grid.Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(eenet_grid, "DEADLINE_PERIODS", (1.0,))
    monkeypatch.setattr(eenet_grid, "WORKLOADS", eenet_grid.WORKLOADS[:2])
    rows = same(lambda work: eenet_grid.grid_cells([pair], [BOARD], 1.0, work), workers)
    assert [row["workload"] for row in rows] == ["back-to-back", "periodic"]


def test_scores(workers: CellRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "PIECE", 70)
    bundle, kernels = open_bundle("digits-early-exit"), open_backend()
    samples = bundle.samples()
    assert samples is not None
    frames = list(samples[0][:150])

    def scores(work: CellRunner) -> Any:
        return [rows.tolist() for rows in scoring.score(bundle, kernels, frames, work=work)]

    assert np.array(same(scores, workers)[0]).shape == (150, 10)


def test_compare(workers: CellRunner) -> None:
    conditions = Conditions(BOARD, frames=100)
    policies = ("classic", "powersave", "planned", "oracle")
    bundle = open_bundle("digits-early-exit")
    document = same(
        lambda work: compare(bundle, conditions, policies, images=60, work=work), workers
    )
    assert "planned" in document["calibration"]


@pytest.mark.slow
def test_claims_and_their_sensitivity(workers: CellRunner, pair: eenet_grid.Pair) -> None:
    conditions = Conditions(BOARD, frames=100, threads=(1,))
    same(lambda work: work.map(eenet.board_figures, pair, [conditions]), workers)
    comparison = Comparison(pair[0], pair[1], conditions, statics=pair[2])
    boards = list(drawn(load_profile("raspberry-pi-5"), 2, 0))
    same(lambda work: work.map(eenet.figures_on, comparison, boards), workers)


def test_a_promise_check(workers: CellRunner) -> None:
    random = np.random.default_rng(4)
    confidence = random.random((1, 3000))
    right = np.stack([random.random(3000) < 0.5 + confidence[0] / 2, random.random(3000) < 0.95])
    pool = ExitOutcomes(confidence, right)

    def check(work: CellRunner) -> Any:
        return check_promise(pool, (1.0, 4.0), 0.95, 5, (0.01, 0.02), (500, 1000), work=work)

    rows = same(check, workers)
    assert [row["inputs"] for row in rows] == [500, 500, 1000, 1000]
    assert check_promise(pool, (1.0, 4.0), 0.95, 5, (0.01,), (500,)) == rows[:1]
