"""The sequential test of exits and margins: false alarms in simulation, and what it notices."""

import json
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_infer.lab.tuning.calibration_record import calibrated
from edge_infer.models_tflite import open_bundle
from edge_infer.models_tflite.backend import open_backend
from edge_infer.models_tflite.bundle import shipped_names
from edge_infer.models_tflite.errors import ManifestError
from edge_infer.models_tflite.golden import run_all
from edge_infer.models_tflite.manifest import Calibration, ChosenOn, Thresholds
from edge_infer.models_tflite.manifest_text import manifest_text, read_manifest
from edge_infer.models_tflite.stage import load_stages
from edge_infer.runtime.exit_criterion import exit_criteria
from edge_infer.runtime.input_shift import InputShift

THRESHOLDS = Thresholds("score-margin", (50, 30), ChosenOn("none", "none", None, None, 0))
DIGITS = "digits-early-exit"
NOTICED_WITHIN = 40
"""Frames of the digits, darkened to half."""


def scores(rng: np.random.Generator, count: int, mean: float) -> list[NDArray[np.int8]]:
    """Return scores of three exits with margins around a mean, shape [count, 2]."""
    margins = np.abs(rng.normal(mean, 25, (3, count))).clip(0, 200)
    return [np.stack([np.full(count, -100), row - 100], 1).astype(np.int8) for row in margins]


def calibration_of(rng: np.random.Generator, count: int) -> Calibration:
    rows = scores(rng, count, 40)
    return calibrated(rows, np.ones(count, np.int64), (1.0, 1.0, 1.0), THRESHOLDS, "simulated")


def run(shift: InputShift, rows: list[NDArray[np.int8]]) -> InputShift:
    """Let frames leave by the thresholds."""
    for margins in np.array([row[:, 1].astype(int) + 100 for row in rows]).T.tolist():
        exit_ = 0 if margins[0] >= 50 else 1 if margins[1] >= 30 else 2
        shift.add("1.0", exit_, margins[exit_])
    return shift


@pytest.mark.parametrize(
    ("inputs", "frames", "runs"),
    [(40, 2_000, 60), pytest.param(40, 30_000, 200, marks=pytest.mark.slow),
     pytest.param(400, 3_000, 1_000, marks=pytest.mark.slow)],
)  # fmt: skip
def test_false_alarms_are_as_rare_as_stated(inputs: int, frames: int, runs: int) -> None:
    """Seeded; the bound on the count is one that a fair test breaks once in 1,000."""
    stated, alarms = 0.05, 0
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        shift = InputShift({"1.0": calibration_of(rng, inputs)}, stated, seed)
        alarms += run(shift, scores(rng, frames, 40)).shifted
    assert alarms <= stated * runs + 3.1 * (stated * (1 - stated) * runs) ** 0.5


def test_a_change_in_mid_run_is_noticed_too() -> None:
    rng = np.random.default_rng(3)
    shift = InputShift({"1.0": calibration_of(rng, 400)})
    assert not run(shift, scores(rng, 20_000, 40)).shifted
    assert run(shift, scores(rng, 500, 20)).shifted


def test_what_was_not_calibrated_is_passed_over() -> None:
    shift = InputShift({"1.0": calibration_of(np.random.default_rng(0), 100)})
    shift.add("0.6", 0, 3.0)
    assert shift.frames == 0


@pytest.mark.parametrize("seed", range(5))
def test_digits_darkened_to_half_are_noticed_and_the_samples_are_not(seed: int) -> None:
    bundle = open_bundle(DIGITS)
    samples = bundle.samples()
    assert samples is not None and bundle.manifest.calibration is not None
    order = np.random.default_rng(seed).permutation(len(samples[0]))
    stages, criteria = load_stages(bundle, open_backend()), exit_criteria(bundle.manifest)
    found = []
    for frames in (samples[0][order], samples[0][order] // 2):
        shift = InputShift(bundle.manifest.calibration, seed=seed)
        for rows in zip(*run_all(stages, list(frames)), strict=True):
            judged = [judge(row) for judge, row in zip(criteria, rows, strict=True)]
            exit_ = next(at for at, decision in enumerate(judged) if decision.leave)
            shift.add("1.0", exit_, judged[exit_].confidence)
        found.append(shift.at_frame)
    assert found[0] is None
    assert found[1] is not None and found[1] <= NOTICED_WITHIN


@pytest.mark.parametrize("name", shipped_names())
def test_a_shipped_bundle_says_what_its_calibration_inputs_came_to(name: str) -> None:
    manifest = open_bundle(name).manifest
    assert manifest.calibration is not None
    assert set(manifest.calibration) == set(manifest.ratios)
    held_back = manifest.provenance["images"]["held_back"]
    assert all(found.inputs == held_back for found in manifest.calibration.values())


def test_a_manifest_without_calibration_loads_and_is_written_without() -> None:
    manifest = replace(open_bundle(DIGITS).manifest, calibration=None)
    text = manifest_text(manifest)
    assert "calibration" not in json.loads(text)
    assert read_manifest(text) == manifest


@pytest.mark.parametrize(
    ("keys", "value", "told"),
    [
        (("inputs",), 399, "400 of 399"),
        (("right",), 401, "right is 401 of 400"),
        (("exits", 0, "counts", 0), 99, "add up to"),
        (("exits", 0, "edges", 1), -5, "do not rise"),
        (("exits",), [], "minItems"),
    ],
)
def test_a_calibration_that_does_not_agree_is_refused(
    keys: tuple[str | int, ...], value: object, told: str
) -> None:
    document = json.loads(manifest_text(open_bundle(DIGITS).manifest))
    inside = document["calibration"]["1.0"]
    for key in keys[:-1]:
        inside = inside[key]
    inside[keys[-1]] = value
    with pytest.raises(ManifestError, match=told):
        read_manifest(json.dumps(document))
