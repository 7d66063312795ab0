"""What calibration inputs came to: exits and margins, for the manifest to hold runs against."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_infer.models_tflite.manifest import CalibratedExit, Calibration, Thresholds
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
    judged = _judged(scores, scales, thresholds)
    here = _exits(judged, thresholds)
    answers = np.array([answers for answers, _ in judged])[here, np.arange(len(labels))]
    exits = tuple(
        _calibrated_exit(confidence[here == exit_]) for exit_, (_, confidence) in enumerate(judged)
    )
    right = int((answers == labels).sum())
    return Calibration(f"{source}, {len(labels)} inputs", len(labels), right, exits)


def exits_of(
    scores: Sequence[NDArray[Any]], scales: Sequence[float], thresholds: Thresholds
) -> NDArray[np.int64]:
    """Return the stage at which each input leaves, shape [n]; arguments as of `calibrated`."""
    return _exits(_judged(scores, scales, thresholds), thresholds)


def _judged(
    scores: Sequence[NDArray[Any]], scales: Sequence[float], thresholds: Thresholds
) -> list[tuple[NDArray[Any], NDArray[Any]]]:
    return [
        confidences(thresholds.criterion, rows, scale or 1.0)
        for rows, scale in zip(scores, scales, strict=True)
    ]


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
