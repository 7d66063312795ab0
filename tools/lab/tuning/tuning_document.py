"""What a tuning found, as one document: exits, costs, trade-off, and how good the predictor is."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_infer.lab.baselines.zero_pad import fit_zero_pad
from edge_infer.lab.costs.board_costs import NetCost
from edge_infer.lab.tuning import ThresholdChoice
from edge_infer.lab.tuning.predictor_fitting import fit_predictor, predictor_quality
from edge_infer.lab.tuning.tuning import Tuning

_LEAST = 1e-6
"""Probabilities are kept off zero, or one surprise would make a log loss infinite."""


def tune_document(tuning: Tuning) -> dict[str, Any]:
    """Return the figures of a tuning; energies are net, in uJ, an inference."""
    manifest, costs, choice = tuning.bundle.manifest, tuning.costs, tuning.choice
    return {
        "bundle": {"name": manifest.name, "version": manifest.version},
        "board": costs.board,
        "clock_khz": costs.point.clock_khz,
        "threads": costs.point.threads,
        "origin": costs.origin,
        "notes": list(costs.notes),
        "backend": str(tuning.backend),
        "calibration": {
            "source": tuning.data.source,
            "inputs": len(tuning.data),
            "tested_on": len(tuning.split.tested),
            "skipped": list(tuning.data.skipped),
            "seed": tuning.seed,
        },
        "input": dict(tuning.data.read),
        "allowed_loss_points": 100 * tuning.loss_bound.loss,
        "confidence": tuning.loss_bound.confidence,
        "criterion": tuning.criterion,
        "pays": tuning.pays,
        "thresholds": list(tuning.values) if choice else None,
        "exits": _exits(tuning),
        "plain": _cost(costs.plain, costs.plain) | {"accuracy": _accuracy(tuning, -1)},
        "adaptive": _adaptive(tuning, choice) if choice else None,
        "predictor": check_predictor(tuning) if choice else None,
        "curve": [
            {"allowed_loss_points": 100 * point.allowed_loss, **_adaptive(tuning, point.choice)}
            for point in tuning.curve
        ],
    }


def _exits(tuning: Tuning) -> list[dict[str, Any]]:
    choice = tuning.choice
    return [
        {
            "name": stage.name,
            "accuracy": _accuracy(tuning, index),
            "share": choice.shares[index] if choice else None,
            "saturated": _saturated(tuning.scores[index]),
            **_cost(tuning.costs.exits[index], tuning.costs.plain),
        }
        for index, stage in enumerate(tuning.bundle.manifest.stages)
    ]


def _accuracy(tuning: Tuning, exit_: int) -> float:
    return float(tuning.outcomes.right[exit_].mean())


def _saturated(rows: Any) -> int:
    """Count inputs whose top score is the largest its integer type holds: no margin can grow."""
    if not np.issubdtype(rows.dtype, np.integer):
        return 0
    return int((rows.max(axis=1) == np.iinfo(rows.dtype).max).sum())


def _cost(cost: NetCost, plain: NetCost) -> dict[str, float]:
    return {
        "net_uj": cost.energy_nj / 1000,
        "execution_uj": cost.execution_nj / 1000,
        "time_us": cost.time_ns / 1000,
        "saving_percent": 100 * (1 - cost.energy_nj / plain.energy_nj),
        "execution_saving_percent": 100 * (1 - cost.execution_nj / plain.execution_nj),
    }


def _adaptive(tuning: Tuning, choice: ThresholdChoice) -> dict[str, Any]:
    expected = tuning.costs.expected(choice.shares)
    names = [stage.name for stage in tuning.bundle.manifest.stages]
    return {
        "accuracy": float(tuning.split.tested.right[-1].mean()) - choice.loss,
        "loss_points": 100 * choice.loss,
        "harmed": choice.harmed,
        "helped": choice.helped,
        "shares": dict(zip(names, choice.shares, strict=True)),
        **_cost(expected, tuning.costs.plain),
    }


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
    likelihoods = probabilities[np.arange(len(later)), later]
    return float(-np.log(np.maximum(likelihoods, _LEAST)).mean())


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
