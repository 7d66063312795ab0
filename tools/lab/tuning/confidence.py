"""How sure answers are, fitted alone: a temperature for each exit and ratio; thresholds stay."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_infer.lab.progress import Progress, counted, silent
from edge_infer.lab.tuning.calibration_data import CalibrationData, check_above_chance
from edge_infer.lab.tuning.calibration_record import calibrated, exits_of
from edge_infer.lab.tuning.temperature import fitted_temperatures
from edge_infer.models_tflite import Bundle
from edge_infer.models_tflite.backend import Backend
from edge_infer.models_tflite.build import BundleDraft
from edge_infer.models_tflite.golden import run_all
from edge_infer.models_tflite.manifest import FULL_RATIO, Calibration, Thresholds
from edge_infer.models_tflite.redraft import redraft
from edge_infer.models_tflite.stage import load_stages
from edge_infer.models_tflite.stage_spec import Stage
from edge_infer.runtime.answers import logits, softmax

_CELLS = 10
"""Of the confidence, about as many answers in each."""


@dataclass(frozen=True)
class FittedExit:
    """One exit of one ratio; shares are of the answers that leave there, 0 to 1.

    Attributes:
        ratio: pruning ratio.
        stage: name of the exit.
        answers: that leave there; where there are none, the others are None.
        accuracy: how many are right.
        temperature: fitted.
        score_error: how far the softmax of the logits is from how often it is right, in the mean.
        probability_error: the same over the temperature.
    """

    ratio: str
    stage: str
    answers: int
    temperature: float
    accuracy: float | None = None
    score_error: float | None = None
    probability_error: float | None = None


@dataclass(frozen=True)
class ConfidenceFit:
    """The temperatures of a bundle.

    Attributes:
        draft: of the bundle that has them.
        exits: what they mend, by ratio and exit.
    """

    draft: BundleDraft
    exits: tuple[FittedExit, ...]


def fit_confidence(
    bundle: Bundle, backend: Backend, data: CalibrationData, progress: Progress = silent
) -> ConfidenceFit:
    """Fit the temperatures of every exit at every ratio, on the inputs that leave there.

    Args:
        bundle: its thresholds are kept.
        backend: kernels to run it on.
        data: inputs that no weight was trained on.
        progress: called with what is under way.

    Raises:
        CalibrationError: the net answers at chance.
    """
    thresholds: dict[str, Thresholds] = {}
    calibration: dict[str, Calibration] = {}
    found: list[FittedExit] = []
    for ratio, kept in bundle.manifest.thresholds.items():
        progress(f"scoring {len(data)} inputs of {data.source} at ratio {ratio}")
        stages = bundle.manifest.stages_at(ratio)
        frames = counted(data.frames, "inputs", progress)
        scores = run_all(load_stages(bundle, backend, ratio=ratio), frames)
        if ratio == FULL_RATIO:
            check_above_chance(scores[-1].argmax(axis=1), data.labels, "the net")
        thresholds[ratio] = with_temperatures(kept, scores, data.labels, stages)
        scales = [stage.scores.scale for stage in stages]
        calibration[ratio] = calibrated(scores, data.labels, scales, kept, data.source)
        found += _fitted_exits(ratio, thresholds[ratio], scores, data.labels, stages)
    draft = replace(redraft(bundle), thresholds=thresholds, calibration=calibration)
    return ConfidenceFit(draft, tuple(found))


def with_temperatures(
    thresholds: Thresholds,
    scores: Sequence[NDArray[Any]],
    labels: NDArray[Any],
    stages: Sequence[Stage],
) -> Thresholds:
    """Return thresholds with the temperatures of the exits that they lead to.

    Args:
        thresholds: of a ratio.
        scores: raw, by stage, shape [n, classes].
        labels: shape [n].
        stages: what the manifest says of them.
    """
    exits = exits_of(scores, [stage.scores.scale for stage in stages], thresholds)
    return replace(thresholds, temperatures=fitted_temperatures(scores, labels, stages, exits))


def _fitted_exits(
    ratio: str,
    thresholds: Thresholds,
    scores: Sequence[NDArray[Any]],
    labels: NDArray[Any],
    stages: Sequence[Stage],
) -> list[FittedExit]:
    exits = exits_of(scores, [stage.scores.scale for stage in stages], thresholds)
    found = []
    for index, (rows, stage) in enumerate(zip(scores, stages, strict=True)):
        assert thresholds.temperatures is not None
        here, temperature = exits == index, thresholds.temperatures[index]
        fitted = FittedExit(ratio, stage.name, int(here.sum()), temperature)
        if fitted.answers:
            values, true = logits(rows[here], stage.scores), labels[here]
            fitted = replace(
                fitted,
                accuracy=float((rows[here].argmax(axis=1) == true).mean()),
                score_error=calibration_error(softmax(values), true),
                probability_error=calibration_error(softmax(values, temperature), true),
            )
        found.append(fitted)
    return found


def calibration_error(shares: NDArray[np.float64], labels: NDArray[Any]) -> float:
    """Return the expected calibration error of answers, 0 to 1, in cells of equally many.

    Args:
        shares: what is told of each class, shape [n, classes].
        labels: shape [n].
    """
    told, right = shares.max(axis=1), shares.argmax(axis=1) == labels
    cells = np.array_split(np.argsort(told, kind="stable"), min(_CELLS, len(told)))
    apart = sum(abs(float(told[cell].sum() - right[cell].sum())) for cell in cells)
    return apart / len(told)
