"""What `serve` tells of the inputs: a metric in its statistics, a line in its log, a notice."""

import logging
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.fakes.in_process_worker import InProcessWorker

from edge_infer.firmware_bridge.wire.edge import FramePiece, RunSamples
from edge_infer.firmware_bridge.worker.power_log import PowerLog
from edge_infer.firmware_bridge.worker.runner import Runner
from edge_infer.firmware_bridge.worker.worker_pipe import Watched
from edge_infer.models_tflite import open_bundle

BUNDLE = open_bundle("digits-early-exit")
S = 1_000_000_000


@pytest.fixture
def runner() -> Runner:
    found = Runner(InProcessWorker, "sim:raspberry-pi-5", PowerLog())
    found.open(BUNDLE.path)
    found.poll(0)
    return found


def settle(runner: Runner) -> Watched | None:
    for look in range(40):
        runner.poll((look + 1) * S)
    return runner.statistics.watched


def answer(runner: Runner, change: Callable[[NDArray[np.uint8]], NDArray[np.uint8]]) -> None:
    samples = BUNDLE.samples()
    assert samples is not None
    for number, frame in enumerate(samples[0][:120]):
        data = np.ascontiguousarray(change(frame))
        content = data.tobytes()
        piece = FramePiece(number, 1, len(content), "uint8", data.shape, 0, content)
        runner.submit(piece, number * S)
        runner.poll(number * S)


def test_frames_like_the_calibration_are_no_news(runner: Runner) -> None:
    answer(runner, lambda frame: frame)
    watched = settle(runner)
    assert watched is not None
    assert watched.frames == 120
    assert watched.notice == ""
    assert watched.evidence < 1000


def test_darkened_frames_are_told_once(runner: Runner, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "edge_infer"):
        answer(runner, lambda frame: frame >> np.uint8(1))
        watched = settle(runner)
    assert watched is not None
    assert watched.frames < 60
    assert watched.evidence >= 1000
    assert "differ from the calibration's" in watched.notice
    (record,) = caplog.records
    assert "differ from the calibration's" in record.getMessage()


def test_the_samples_count_once_and_fit_their_labels(runner: Runner) -> None:
    runner.submit(RunSamples(1500, 1), 0)
    watched = settle(runner)
    assert runner.statistics.inferences == 1500
    assert watched is None or watched.notice == ""
