"""How good an exit predictor is on inputs it was not fitted on, beside two baselines."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_infer.lab.tuning.predictor_fitting import fit_predictor, predictor_quality
from edge_infer.lab.tuning.tuning import Tuning
from edge_infer.runtime.prediction.zero_pad import fit_zero_pad

_LEAST = 1e-6
"""Probabilities are kept off zero, or one surprise would make a log loss infinite."""


def check_predictor(tuning: Tuning) -> dict[str, Any] | None:
    """Fit on every other calibration input, and measure on the rest that did not leave at once.

    Returns:
        Log loss in nats of the predictor, of the base rate of each later exit, and of the
        zero-padding predictor; top1 and brier of the predictor; its reliability, a row per bin.
        None where there is one later exit (nothing to predict) or too few inputs.
    """
    assert tuning.choice is not None
    exits = tuning.outcomes.exits(tuning.choice.thresholds)
    fit, rest = slice(0, None, 2), slice(1, None, 2)
    staying = exits[rest] > 0
    if len(tuning.scores) < 3 or not staying.any() or not (exits[fit] > 0).any():
        return None
    later = exits[rest][staying] - 1
    rows = tuning.scores[0][rest][staying]
    stages = len(tuning.scores)
    units = [(s.scores.scale or 1.0, s.scores.zero_point) for s in tuning.bundle.manifest.stages]
    ours = fit_predictor(tuning.scores[0][fit], exits[fit], stages, units[0][0], "half")
    padded = fit_zero_pad([s[fit] for s in tuning.scores], exits[fit], *units[0], units)
    counts = np.bincount(exits[fit][exits[fit] > 0] - 1, minlength=stages - 1) + 1.0
    base = np.tile(counts / counts.sum(), (len(later), 1))
    bins = np.array([ours.bin_of(row) for row in rows])
    predicted = np.array(ours.bin_exits)[bins]
    from_padding = np.array([padded.bin_exits[padded.bin_of(row)] for row in rows])
    return {
        "inputs": len(later),
        "log_loss": _log_loss(predicted, later),
        "log_loss_base_rate": _log_loss(base, later),
        "log_loss_zero_pad": _log_loss(from_padding, later),
        **predictor_quality(predicted, later),
        "reliability": _reliability(bins, predicted, later),
    }


def _log_loss(probabilities: NDArray[Any], later: NDArray[np.int64]) -> float:
    told = probabilities[np.arange(len(later)), later]
    return float(-np.log(np.maximum(told, _LEAST)).mean())


def _reliability(
    bins: NDArray[Any], predicted: NDArray[Any], later: NDArray[np.int64]
) -> list[dict[str, float]]:
    """Return, by bin, how likely the next exit was said to be and how often it was."""
    rows = []
    for number in np.unique(bins):
        inside = bins == number
        rows.append(
            {
                "inputs": int(inside.sum()),
                "predicted": float(predicted[inside, 0].mean()),
                "observed": float((later[inside] == 0).mean()),
            }
        )
    return rows
