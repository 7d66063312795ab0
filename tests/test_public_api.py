"""What `from edge_infer import ...` gives: it is there, it is typed, mistakes get a sentence."""

import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import edge_infer
from edge_infer import (
    Board,
    Engine,
    Frame,
    FrameError,
    PolicyError,
    RunError,
    UnknownRatioError,
    open_board,
    open_bundle,
    open_samples,
)

ROOT = Path(__file__).parents[1]
FACES = (
    "edge_infer",
    "edge_infer.boards",
    "edge_infer.models_tflite",
    "edge_infer.models_tflite.prunable",
    "edge_infer.runtime",
    "edge_infer.firmware_bridge",
    "edge_infer.lab",
)
BUNDLE = open_bundle("digits-early-exit")
FRAMES = BUNDLE.golden().frames


@pytest.fixture(name="board")
def a_board() -> Iterator[Board]:
    with open_board("sim:raspberry-pi-5") as board:
        yield board


@pytest.mark.parametrize("face", FACES)
def test_every_name_of_a_face_is_there(face: str) -> None:
    module = importlib.import_module(face)
    assert module.__doc__ and 3 <= len(module.__doc__.strip().splitlines()) <= 16
    for name in module.__all__:
        assert getattr(module, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing_of_the_kind'"):
        module.nothing_of_the_kind  # noqa: B018 the access is the test


def test_help_shows_the_library() -> None:
    shown = subprocess.run(
        [sys.executable, "-c", "import edge_infer; help(edge_infer)"],
        capture_output=True, text=True, check=True, env={"PAGER": "cat", "PYTHONPATH": "src"},
        cwd=ROOT,
    ).stdout  # fmt: skip
    assert "class Engine(" in shown and "open_bundle(" in shown
    assert "click" not in shown


def test_importing_the_package_imports_no_array_library() -> None:
    code = "import sys, edge_infer; print('numpy' in sys.modules, 'click' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_a_record_says_what_was_seen_and_of_which_frame(board: Board) -> None:
    with Engine(BUNDLE, board, keeps_scores=True) as engine:
        record = engine.infer(Frame(7, FRAMES[0], name="seven.png"))
    assert record.answer_label == BUNDLE.manifest.labels[record.answer]
    assert (record.number, record.name) == (7, "seven.png")
    assert record.scores is not None and record.scores.argmax() == record.answer


def test_scores_are_kept_on_request_alone(board: Board) -> None:
    with Engine(BUNDLE, board) as engine:
        assert engine.infer(FRAMES[0]).scores is None


def test_a_plain_array_is_a_frame_that_arrives_now(board: Board) -> None:
    with Engine(BUNDLE, board, deadline_ns=5_000) as engine:
        first, second = engine.infer(FRAMES[0]), engine.infer(FRAMES[1])
    assert (first.number, second.number) == (0, 1)
    assert first.arrival_ns <= first.start_ns < first.end_ns <= second.arrival_ns
    assert first.deadline_ns == first.arrival_ns + 5_000
    assert first.missed


def test_a_stream_yields_every_record_with_its_energy(board: Board) -> None:
    with Engine(BUNDLE, board) as engine:
        records = list(engine.stream(open_samples(BUNDLE)))
    assert [record.number for record in records] == list(range(450))
    assert all(record.energy is not None for record in records)
    assert sum(record.correct is True for record in records) > 430


def test_a_stream_holds_no_more_than_a_portion_open(board: Board) -> None:
    with Engine(BUNDLE, board) as engine:
        given = 0

        def frames() -> Iterator[Frame]:
            nonlocal given
            for number in range(12_000):
                given += 1
                yield Frame(number, FRAMES[number % len(FRAMES)])

        behind = 0
        for taken, _ in enumerate(engine.stream(frames()), 1):
            behind = max(behind, given - taken)
    assert given == 12_000
    # What the meter is first learned from, a portion, and what a conversion has not covered yet.
    assert behind < 5_000


def test_an_engine_that_ended_says_so(board: Board) -> None:
    engine = Engine(BUNDLE, board)
    engine.infer(FRAMES[0])
    engine.finish()
    with pytest.raises(RunError, match="was finished"):
        engine.infer(FRAMES[0])
    engine.close()
    engine.close()
    with pytest.raises(RunError, match="is closed"):
        engine.infer(FRAMES[0])


@pytest.mark.parametrize("frame", [[[0.0] * 8] * 8, "digit.png", None, 3])
def test_what_is_no_array_gets_a_sentence(board: Board, frame: object) -> None:
    with Engine(BUNDLE, board) as engine, pytest.raises(FrameError, match="numpy array"):
        engine.infer(frame)  # type: ignore[arg-type]


def test_another_shape_gets_a_sentence(board: Board) -> None:
    with Engine(BUNDLE, board) as engine, pytest.raises(FrameError, match=r"\[8, 8, 1\]"):
        engine.infer(np.zeros((4, 4, 1), np.uint8))


def test_names_in_place_of_what_they_name_are_refused(board: Board) -> None:
    with pytest.raises(TypeError, match="open it first, open_bundle"):
        Engine("digits-early-exit", board)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="open it first, open_board"):
        Engine(BUNDLE, "sim:raspberry-pi-5")  # type: ignore[arg-type]


def test_every_policy_of_run_opens_from_python(board: Board) -> None:
    with Engine(BUNDLE, board, policy="planned", deadline_ns=200_000, miss_bound=0.05) as engine:
        engine.infer(FRAMES[0])
        assert engine.governor.state() is not None
    with pytest.raises(PolicyError, match="makes no use of miss_bound"):
        Engine(BUNDLE, board, policy="powersave", miss_bound=0.05)
    with pytest.raises(PolicyError, match="did you mean planned"):
        Engine(BUNDLE, board, policy="planed")
    with pytest.raises(UnknownRatioError):
        Engine(BUNDLE, board, ratio="0.31")


def test_what_is_exported_is_what_type_checkers_see() -> None:
    source = (ROOT / "src" / "edge_infer" / "__init__.py").read_text()
    for name in edge_infer.__all__:
        assert source.count(name) >= 3, name  # imported for types, listed, and given a home
