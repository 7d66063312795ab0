"""Multinomial logistic regression in numpy: L-BFGS on the penalised mean log loss.

The problem is smooth and convex, so any solver ends at the same weights; L-BFGS (J. Nocedal,
Mathematics of Computation 35, 1980) needs two products with the features a step and no matrix of
second derivatives, which 1,000 features of 10 classes would make 800 MB of.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

_MEMORY = 10
"""Steps that the curvature is told by."""
_STEPS = 300
_TOLERANCE = 1e-4
"""Largest slope, per input, at which a fit counts as done: accuracies no longer change by then."""
_SUFFICIENT = 1e-4
"""Share of the promised descent that a step must reach (Armijo)."""
_HALVINGS = 25


@dataclass(frozen=True)
class Linear:
    """Logits that are linear in the features."""

    weights: Array
    """Shape [classes, features]."""
    bias: Array
    """Shape [classes]."""

    def logits(self, features: Array) -> Array:
        """Return the logits of features [n, features], shape [n, classes]."""
        found: Array = features @ self.weights.T + self.bias
        return found


def fit_logistic(
    features: Array,
    targets: Array,
    weights: Array,
    penalty: float,
    start: Linear | None = None,
) -> Linear:
    """Fit by penalised maximum likelihood.

    Args:
        features: standardised, shape [n, features].
        targets: probability of each class, shape [n, classes], rows sum to 1.
        weights: of the inputs, shape [n], with a mean of 1.
        penalty: on half the squared weights, per input; the bias goes free.
        start: a solution nearby; zeros if None.
    """
    n, width = features.shape
    classes = targets.shape[1]
    scaled = (weights / n)[:, np.newaxis].astype(np.float32)

    def loss_and_slope(point: Array) -> tuple[float, Array]:
        matrix = point.reshape(classes, width + 1)
        logits = features @ matrix[:, :-1].T + matrix[:, -1]
        logits -= logits.max(axis=1, keepdims=True)
        odds = np.exp(logits)
        total = odds.sum(axis=1, keepdims=True)
        loss = float((scaled[:, 0] * np.log(total[:, 0])).sum(dtype=np.float64))
        loss -= float((scaled * targets * logits).sum(dtype=np.float64))
        rest = (odds / total - targets) * scaled
        slope = np.empty_like(matrix)
        slope[:, :-1] = rest.T @ features + penalty * matrix[:, :-1]
        slope[:, -1] = rest.sum(axis=0)
        loss += 0.5 * penalty * float((matrix[:, :-1].astype(np.float64) ** 2).sum())
        return loss, slope.ravel()

    begin = np.zeros((classes, width + 1), np.float32)
    if start is not None:
        begin[:, :-1], begin[:, -1] = start.weights, start.bias
    found = _descend(loss_and_slope, begin.ravel()).reshape(classes, width + 1)
    return Linear(found[:, :-1], found[:, -1])


def _descend(function: Callable[[Array], tuple[float, Array]], point: Array) -> Array:
    """Minimise by L-BFGS with halved steps."""
    value, slope = function(point)
    pairs: deque[tuple[Array, Array, float]] = deque(maxlen=_MEMORY)
    for _ in range(_STEPS):
        if np.abs(slope).max() < _TOLERANCE:
            break
        direction = -_newton_like(slope, pairs)
        promised = float(direction @ slope)
        step = 1.0 if pairs else min(1.0, 1.0 / float(np.abs(slope).sum()))
        for _ in range(_HALVINGS):
            moved = point + step * direction
            new_value, new_slope = function(moved)
            if new_value <= value + _SUFFICIENT * step * promised:
                break
            step /= 2
        else:
            break  # no descent left in float32
        change, bend = moved - point, new_slope - slope
        if (curvature := float(change @ bend)) > 1e-12:
            pairs.append((change, bend, curvature))
        point, value, slope = moved, new_value, new_slope
    return point


def _newton_like(slope: Array, pairs: deque[tuple[Array, Array, float]]) -> Array:
    """Return about the inverse of the second derivatives times the slope (two-loop recursion)."""
    found = slope.copy()
    shares = []
    for change, bend, curvature in reversed(pairs):
        shares.append(float(change @ found) / curvature)
        found -= shares[-1] * bend
    if pairs:
        _, bend, curvature = pairs[-1]
        found *= curvature / float(bend @ bend)
    for (change, bend, curvature), share in zip(pairs, reversed(shares), strict=True):
        found += (share - float(bend @ found) / curvature) * change
    return found
