"""`tune` where thresholds stay: of a bundle with one exit, and with --keep-thresholds."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import fastjsonschema
import numpy as np
import pytest
from tests.fakes.noisy_digits import write_noisy_digits

from edge_infer.commands.root import run_line
from edge_infer.lab.tuning.confidence import calibration_error
from edge_infer.models_tflite.build import NO_EXITS, write_bundle
from edge_infer.models_tflite.bundle import open_bundle
from edge_infer.models_tflite.manifest import Thresholds
from edge_infer.models_tflite.plain_net import plain_net
from edge_infer.models_tflite.redraft import redraft

EARLY = "digits-early-exit"
SCHEMA = (
    Path(__file__).parents[2] / "tools" / "commands" / "schemas" / "tune-confidence.schema.json"
)
Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_noisy_digits(open_bundle(EARLY), tmp_path_factory.mktemp("noisy"))


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The last exit of the digits as a bundle of its own, whose confidence nobody fitted."""
    bundle = open_bundle(EARLY)
    draft = replace(
        redraft(bundle),
        name="one",
        kinds=("single",),
        stages=[plain_net(bundle)],
        thresholds={"1.0": NO_EXITS},
        predictor=None,
        calibration=None,
    )
    return write_bundle(tmp_path_factory.mktemp("single") / "one", draft).path


def outcome(capsys: Capture, *words: object) -> tuple[int, str, str]:
    code = run_line([str(word) for word in words])
    return code, *capsys.readouterr()


def thresholds_of(path: Path) -> Thresholds:
    return open_bundle(str(path)).manifest.thresholds["1.0"]


def test_a_bundle_with_one_exit_learns_how_sure_it_is(
    single: Path, noisy: Path, tmp_path: Path, capsys: Capture
) -> None:
    before = outcome(capsys, "run", single, noisy, "--frames", 1, "--board", "host")[1]
    assert "score" in before and "probability" not in before
    words = ("tune", single, "--calibration", noisy, "-o", tmp_path / "sure", "--json")
    code, out, err = outcome(capsys, *words)
    assert (code, err) == (0, "")
    document: Any = json.loads(out)
    fastjsonschema.validate(json.loads(SCHEMA.read_text()), document)
    [row] = document["exits"]
    assert (row["exit"], row["answers"]) == ("net", 900)
    assert row["probability_error"] < row["score_error"]
    assert thresholds_of(tmp_path / "sure").temperatures == (row["temperature"],)
    after = outcome(capsys, "run", tmp_path / "sure", noisy, "--frames", 1, "--board", "host")[1]
    assert "probability" in after and "score" not in after


def test_thresholds_that_are_kept_are_those_it_had(
    noisy: Path, tmp_path: Path, capsys: Capture
) -> None:
    words = ("tune", EARLY, "--calibration", noisy, "--keep-thresholds", "-o", tmp_path / "out")
    code, out, _ = outcome(capsys, *words)
    assert code == 0 and "probability by" in out and str(tmp_path / "out") in out
    had, has = open_bundle(EARLY).manifest, open_bundle(str(tmp_path / "out")).manifest
    fitted = has.thresholds["1.0"].temperatures
    assert fitted != had.thresholds["1.0"].temperatures
    assert had.thresholds["1.0"] == replace(
        has.thresholds["1.0"], temperatures=had.thresholds["1.0"].temperatures
    )
    assert has.predictor == had.predictor and has.golden == had.golden


def test_every_ratio_gets_its_own(tmp_path: Path, capsys: Capture) -> None:
    bundle = open_bundle("cifar10-prunable")
    random = np.random.default_rng(0)
    frames = np.concatenate([bundle.golden().frames] * 3)
    # What the net says of its own test vectors, with one label in eight another one.
    answers = np.tile(bundle.golden().scores[0].argmax(axis=1), 3)
    labels = np.where(random.random(len(answers)) < 1 / 8, (answers + 1) % 10, answers)
    np.savez(tmp_path / "data.npz", frames=frames, labels=labels)
    words = ("tune", bundle.path, "--calibration", tmp_path / "data.npz", "--dry-run", "--json")
    code, out, err = outcome(capsys, *words)
    assert code == 0, err
    rows = json.loads(out)["exits"]
    assert [row["ratio"] for row in rows] == list(bundle.manifest.thresholds)
    assert len({row["temperature"] for row in rows}) > 1


def test_what_has_no_meaning_there_is_refused(
    single: Path, noisy: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = ("--calibration", noisy)
    cases: list[tuple[str, tuple[object, ...]]] = [
        ("there is one exit, only the confidence is fitted: leave --allow out",
         (single, *given, "--allow", 2)),
        ("leave --board out", (single, *given, "--board", "sim:raspberry-pi-5")),
        ("leave --plot out", (single, *given, "--plot", "a.png")),
        ("leave --check-promise out", (EARLY, *given, "--keep-thresholds", "--check-promise", 3)),
        ("the thresholds stay, only the confidence is fitted: leave --criterion out",
         (EARLY, *given, "--keep-thresholds", "--criterion", "entropy")),
        ("--calibration is missing", (EARLY, "--keep-thresholds")),
        ("leave --keep-thresholds out", (EARLY, "--keep-thresholds", "--gate", noisy)),
    ]  # fmt: skip
    for message, words in cases:
        code, out, err = outcome(capsys, "tune", *words)
        assert (code, out) == (2, "") and message in err, (words, err)
    assert list(tmp_path.iterdir()) == []


def test_the_error_is_how_far_what_is_told_is_from_how_often_it_is_right() -> None:
    shares = np.tile([0.9, 0.1], (1000, 1))
    labels = np.arange(1000) % 10 // 9  # nine in ten are right
    assert calibration_error(shares, labels) < 0.02
    assert calibration_error(shares, np.zeros(1000, int)) == pytest.approx(0.1)


@pytest.mark.parametrize("name", [EARLY, "digits-little-big"])
def test_what_shipped_digits_tell_is_how_often_their_test_samples_are_right(
    name: str, tmp_path: Path, capsys: Capture
) -> None:
    rows = tmp_path / "rows.jsonl"
    words = ("run", name, "--board", "host", "--frames", 450, "-o", rows)
    assert outcome(capsys, *words)[0] == 0
    told = [json.loads(line) for line in rows.read_text().splitlines()]
    right = np.mean([row["label"] == row["true_label"] for row in told])
    assert {row["confidence_kind"] for row in told} == {"probability"}
    assert np.mean([row["confidence"] for row in told]) == pytest.approx(right, abs=0.03)
