"""Fit an exit predictor on held-back inputs, in numpy alone.

Penalised maximum likelihood of the multinomial logit by Newton's method (Boehning, Annals of the
Institute of Statistical Mathematics 44, 1992, for the Hessian).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_infer.runtime.predictor import RANKS, SoftmaxPredictor, score_features

BINS = 8
"""Most bins that a planner solves for."""
SMALLEST_BIN = 15
"""Fewer inputs than this in a bin say nothing of its probabilities."""
RIDGE = 1.0
"""Penalty on squared weights of standardised features, in units of the log likelihood."""
NEWTON_STEPS = 25


def fit_predictor(
    first_scores: NDArray[Any],
    exits: NDArray[np.int64],
    stages: int,
    scale: float,
    data: str,
    bins: int = BINS,
) -> SoftmaxPredictor:
    """Fit on inputs that no threshold was tested on.

    Args:
        first_scores: raw scores of the first exit, shape [n, classes].
        exits: index of the stage each input leaves at, shape [n], 0 to `stages` - 1.
        stages: number of stages, two or more.
        scale: real value of one score unit.
        data: name of the inputs, for the record.
        bins: most bins.

    Raises:
        ValueError: there are no inputs.
    """
    if not len(exits):
        raise ValueError("no inputs to fit an exit predictor on")
    staying = exits > 0
    features = np.array(
        [score_features(row.tolist(), scale, RANKS) for row in first_scores[staying]]
    ).reshape(-1, RANKS + 2)
    later = exits[staying] - 1
    mean, deviation = standard(features)
    weights = fit_logit((features - mean) / deviation, later, stages - 1)
    expected = _expected((features - mean) / deviation, weights)
    edges = _edges(expected, bins)
    where = np.searchsorted(edges, expected, side="right")
    shares, bin_exits = _count(where, later, len(edges) + 1, stages - 1)
    quality = predictor_quality(bin_exits[where], later)
    return SoftmaxPredictor(
        scale=scale,
        ranks=RANKS,
        mean=_plain(mean),
        deviation=_plain(deviation),
        weights=tuple(map(_plain, weights)),
        edges=_plain(edges),
        leave_first=float(np.mean(~staying)),
        bin_shares=_plain(shares),
        bin_exits=tuple(map(_plain, bin_exits)),
        fitted_on={"data": data, "inputs": len(exits), **quality},
    )


def predictor_quality(
    probabilities: NDArray[np.float64], later: NDArray[np.int64]
) -> dict[str, float | None]:
    """Return how often the likeliest exit was the true one, and the Brier score.

    Args:
        probabilities: shape [n, later exits].
        later: the true later exit, 0 for the next one, shape [n].

    Returns:
        top1, 0 to 1, and brier, the mean squared distance to the truth, 0 (right) to 2; None
        without inputs.
    """
    if not len(later):
        return {"top1": None, "brier": None}
    truth = np.eye(probabilities.shape[1])[later]
    return {
        "top1": float((probabilities.argmax(axis=1) == later).mean()),
        "brier": float(((probabilities - truth) ** 2).sum(axis=1).mean()),
    }


def standard(features: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return mean and deviation of each feature; 1 for one that does not vary."""
    if not len(features):
        return np.zeros(features.shape[1]), np.ones(features.shape[1])
    deviation = features.std(axis=0)
    return features.mean(axis=0), np.where(deviation > 1e-9, deviation, 1.0)


def fit_logit(features: NDArray[Any], later: NDArray[Any], classes: int) -> NDArray[Any]:
    """Return the weights, shape [classes - 1, 1 + features], by damped Newton steps.

    Args:
        features: standardised, shape [n, features].
        later: the class of each, 0 to classes - 1.
        classes: two or more; the first one's weights are 0.
    """
    inputs = np.hstack([np.ones((len(features), 1)), features])
    width = inputs.shape[1]
    weights = np.zeros((classes - 1, width))
    truth = np.eye(classes)[later][:, 1:]
    penalty = np.diag(np.tile([0.01] + [RIDGE] * (width - 1), classes - 1))
    for _ in range(NEWTON_STEPS if classes > 1 and len(later) else 0):
        odds = _softmax(inputs, weights)[:, 1:]
        gradient = ((odds - truth).T @ inputs).ravel() + penalty @ weights.ravel()
        hessian = penalty.copy()
        for a in range(classes - 1):
            for b in range(classes - 1):
                factor = odds[:, a] * ((a == b) - odds[:, b])
                block = (inputs * factor[:, None]).T @ inputs
                hessian[a * width : (a + 1) * width, b * width : (b + 1) * width] += block
        step = np.linalg.solve(hessian, gradient)
        # A step that is too long for the quadratic model is cut; the problem is convex.
        weights = weights - (step * min(1.0, 5.0 / np.abs(step).max(initial=1e-12))).reshape(
            weights.shape
        )
    return weights


def logit_probabilities(features: NDArray[Any], weights: NDArray[Any]) -> NDArray[Any]:
    """Return the probability of each class, shape [n, classes], by weights of `fit_logit`."""
    return _softmax(np.hstack([np.ones((len(features), 1)), features]), weights)


def _softmax(inputs: NDArray[Any], weights: NDArray[Any]) -> NDArray[Any]:
    logits = np.hstack([np.zeros((len(inputs), 1)), inputs @ weights.T])
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    found: NDArray[Any] = odds / odds.sum(axis=1, keepdims=True)
    return found


def _expected(features: NDArray[Any], weights: NDArray[Any]) -> NDArray[Any]:
    found: NDArray[Any] = logit_probabilities(features, weights) @ np.arange(len(weights) + 1)
    return found


def _edges(expected: NDArray[Any], bins: int) -> NDArray[Any]:
    """Return the bounds of equally filled bins, without empty ones."""
    count = max(1, min(bins, len(expected) // SMALLEST_BIN))
    if count == 1 or np.ptp(expected) < 1e-9:
        return np.zeros(0)
    found = np.quantile(expected, np.arange(1, count) / count)
    inner = np.unique(found)
    edges: NDArray[Any] = inner[(inner > expected.min()) & (inner < expected.max())]
    return edges


def _count(
    where: NDArray[Any], later: NDArray[Any], bins: int, classes: int
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the share of each bin and its exits, smoothed by the exits of all as one input."""
    counts = np.zeros((bins, classes))
    np.add.at(counts, (where, later), 1)
    total = counts.sum()
    prior = (counts.sum(axis=0) + 1 / classes) / (total + 1)
    shares = counts.sum(axis=1) / total if total else np.full(bins, 1 / bins)
    return shares, (counts + prior) / (counts.sum(axis=1, keepdims=True) + 1)


def _plain(values: Sequence[float] | NDArray[Any]) -> tuple[float, ...]:
    return tuple(float(f"{value:.7g}") for value in values)
