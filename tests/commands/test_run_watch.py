"""`run` on inputs that are not what the bundle was made for: what it says of them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fastjsonschema
import numpy as np
import pytest
from numpy.typing import NDArray

from edge_infer.commands.root import run_line
from edge_infer.models_tflite import open_bundle

SCHEMA = Path(__file__).parents[2] / "tools" / "commands" / "schemas" / "run.schema.json"
DIGITS = "digits-early-exit"
Pair = tuple[NDArray[Any], NDArray[Any]]


@pytest.fixture
def ran(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[Any, str]]:
    """Run changed samples; return the document and what was warned of."""

    def run(change: Callable[[NDArray[Any], NDArray[Any]], Pair], *more: str) -> tuple[Any, str]:
        samples = open_bundle(DIGITS).samples()
        assert samples is not None
        frames, labels = change(*samples)
        np.savez(tmp_path / "in.npz", frames=frames, labels=labels)
        assert run_line(["run", DIGITS, str(tmp_path / "in.npz"), "--json", *more]) == 0
        told = capsys.readouterr()
        document = json.loads(told.out)
        fastjsonschema.validate(json.loads(SCHEMA.read_text()), document)
        return document, told.err

    return run


def test_the_samples_are_like_the_calibration_however_often(ran: Callable[..., Any]) -> None:
    document, told = ran(lambda frames, labels: (frames, labels), "--frames", "20000")
    assert document["input_shift"]["shifted"] is False
    assert document["input_shift"]["frames"] == document["labels_check"]["frames"] == 450
    assert document["labels_check"]["state"] == "as stated"
    assert not told


def test_samples_sorted_by_class_are_like_the_calibration(ran: Callable[..., Any]) -> None:
    def by_class(frames: NDArray[Any], labels: NDArray[Any]) -> Pair:
        order = np.argsort(labels, kind="stable")
        return frames[order], labels[order]

    assert ran(by_class)[0]["input_shift"]["shifted"] is False


def test_darkened_frames_differ_from_the_calibration(ran: Callable[..., Any]) -> None:
    shift = ran(lambda frames, labels: (frames // 2, labels))[0]["input_shift"]
    assert shift["shifted"] is True
    assert shift["at_frame"] <= 40
    assert shift["error_probability"] == 0.001
    assert shift["shares"]["exit1"] < shift["calibration_shares"]["exit1"]


def test_labels_counted_from_one_are_named(ran: Callable[..., Any]) -> None:
    def counted(frames: NDArray[Any], labels: NDArray[Any]) -> Pair:
        return frames[labels < 9], labels[labels < 9] + 1

    document, told = ran(counted)
    assert document["labels_check"]["state"] == "chance"
    assert document["labels_check"]["suggestion"]["kind"] == "offset"
    assert "take -1 on the labels" in told


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda frames: frames.swapaxes(1, 2), "rows and columns"),
        (lambda frames: 16 - frames, "inverted"),
        (lambda frames: frames[:, :, ::-1], "mirrored"),
        (lambda frames: frames[:, ::-1, ::-1], "on their heads"),
        (lambda frames: np.rot90(frames, 1, (1, 2)), "turned to the left"),
        (lambda frames: np.rot90(frames, -1, (1, 2)), "turned to the right"),
    ],
)
def test_the_change_of_frames_that_is_right_is_named(
    ran: Callable[..., Any], change: Callable[[Any], Any], told: str
) -> None:
    document, warned = ran(lambda frames, labels: (change(frames), labels))
    assert document["labels_check"]["suggestion"]["kind"] == "frames"
    assert document["labels_check"]["suggestion"]["accuracy"] > 0.9
    assert told in warned


def test_a_policy_that_moves_the_exits_is_not_compared(ran: Callable[..., Any]) -> None:
    document, _ = ran(
        lambda frames, labels: (frames, labels),
        *("--board", "sim:raspberry-pi-5", "--policy", "planned", "--deadline", "5ms"),
        *("--rate", "100", "--power-budget", "4W"),
    )
    assert document["input_shift"]["tested"] is False
    assert "moves the exits" in document["input_shift"]["text"]


def test_accuracy_that_the_policy_gave_up_is_no_doubt_about_the_labels(
    ran: Callable[..., Any],
) -> None:
    document, warned = ran(
        lambda frames, labels: (frames, labels),
        *("--board", "sim:raspberry-pi-5", "--policy", "planned-leaving", "--deadline", "200us"),
        *("--rate", "9000", "--loss", "20"),
    )
    assert document["accuracy"] < 0.92
    assert document["labels_check"]["state"] == "not stated"
    assert "usual causes" not in warned
