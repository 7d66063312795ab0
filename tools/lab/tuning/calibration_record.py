"""What calibration inputs came to: exits and margins, for the manifest to hold runs against."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_infer.lab.tuning.calibration_data import CalibrationData
from edge_infer.models_tflite import Bundle
from edge_infer.models_tflite.backend import Backend
from edge_infer.models_tflite.golden import run_all
from edge_infer.models_tflite.manifest import FULL_RATIO, CalibratedExit, Calibration, Thresholds
from edge_infer.models_tflite.stage import load_stages
from edge_infer.runtime.exit_criterion import confidences

CELLS = 16
"""Of an exit's margins, about as many inputs in each."""


def calibrated(
    scores: Sequence[NDArray[Any]],
    labels: NDArray[Any],
    scales: Sequence[float],
    thresholds: Thresholds,
    source: str,
) -> Calibration:
    """Return what labelled inputs come to with a bundle's thresholds.

    Args:
        scores: raw, by stage, shape [n, classes].
        labels: shape [n].
        scales: real value of one score unit, by stage; 0 for float scores.
        thresholds: of the ratio that gave them.
        source: of the inputs, in words.
    """
    judged = [
        confidences(thresholds.criterion, rows, scale or 1.0)
        for rows, scale in zip(scores, scales, strict=True)
    ]
    here = _exits(judged, thresholds)
    answers = np.array([answers for answers, _ in judged])[here, np.arange(len(labels))]
    exits = tuple(
        _calibrated_exit(confidence[here == exit_]) for exit_, (_, confidence) in enumerate(judged)
    )
    right = int((answers == labels).sum())
    return Calibration(f"{source}, {len(labels)} inputs", len(labels), right, exits)


def calibrate(
    bundle: Bundle,
    backend: Backend,
    data: CalibrationData,
    ratio: str = FULL_RATIO,
    thresholds: Thresholds | None = None,
) -> Calibration:
    """Run calibration inputs through a bundle at one of its ratios, with thresholds or its own.

    Raises:
        UnknownRatioError: the bundle has no such ratio.
        FrameError: the inputs are not the bundle's.
    """
    scales = [stage.scores.scale for stage in bundle.manifest.stages_at(ratio)]
    scores = run_all(load_stages(bundle, backend, ratio=ratio), data.frames)
    thresholds = thresholds or bundle.manifest.thresholds[ratio]
    return calibrated(scores, data.labels, scales, thresholds, data.source)


def _exits(
    judged: Sequence[tuple[NDArray[Any], NDArray[Any]]], thresholds: Thresholds
) -> NDArray[np.int64]:
    """Return the stage at which each input leaves, shape [n]."""
    sign = -1 if thresholds.criterion == "entropy" else 1
    leaves = np.ones((len(judged), len(judged[0][0])), bool)
    for index, (value, (answers, confidence)) in enumerate(
        zip(thresholds.values, judged, strict=False)
    ):
        bound = np.array(value)[answers] if isinstance(value, tuple) else value
        leaves[index] = confidence >= sign * bound
    found: NDArray[np.int64] = leaves.argmax(axis=0)
    return found


def _calibrated_exit(confidence: NDArray[Any]) -> CalibratedExit:
    if not len(confidence):
        return CalibratedExit(0, (), (0,))
    shares = np.arange(1, CELLS) / CELLS
    edges = np.unique(np.quantile(confidence, shares, method="inverted_cdf"))
    counts = np.bincount(np.searchsorted(edges, confidence), minlength=len(edges) + 1)
    return CalibratedExit(
        len(confidence), tuple(map(_plain, edges.tolist())), tuple(counts.tolist())
    )


def _plain(edge: float) -> float:
    """Integer scores have whole margins: those are written as such."""
    return int(edge) if edge == int(edge) else edge
