"""Temperatures of the exits: what makes the softmax of their logits a probability.

Least mean log loss over one number an exit (Guo et al., On Calibration of Modern Neural Networks,
ICML 2017), on the inputs that leave there, since those are the ones whose probability is told. The
targets are smoothed by one input in n (Platt, 1999), so that an exit that was right each time does
not claim certainty.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_infer.models_tflite.stage_spec import Stage
from edge_infer.runtime.answers import logits

FEWEST = 50
"""Inputs at an exit; where fewer leave, all of them are taken."""
RANGE = 0.05, 20.0
_STEPS = 60
_GOLDEN = (math.sqrt(5) - 1) / 2


def fitted_temperatures(
    scores: Sequence[NDArray[Any]],
    labels: NDArray[Any],
    stages: Sequence[Stage],
    exits: NDArray[np.int64],
) -> tuple[float, ...]:
    """Return the temperature of each exit, within `RANGE`.

    Args:
        scores: raw, by stage, shape [n, classes].
        labels: shape [n].
        stages: what the manifest says of them.
        exits: index of the stage that each input leaves at, shape [n].
    """
    found = []
    for index, (rows, stage) in enumerate(zip(scores, stages, strict=True)):
        here = exits == index
        taken = here if here.sum() >= FEWEST else np.ones(len(labels), bool)
        found.append(fitted_temperature(logits(rows[taken], stage.scores), labels[taken]))
    return tuple(found)


def fitted_temperature(values: NDArray[np.float64], labels: NDArray[Any]) -> float:
    """Return the temperature of least log loss; to four digits, as the manifest keeps it.

    Args:
        values: logits, shape [n, classes].
        labels: shape [n].
    """
    shifted = values - values.max(axis=1, keepdims=True)
    count, classes = shifted.shape
    smoothing = 1 / (count + 2)
    true = shifted[np.arange(count), labels]
    others = (shifted.sum(axis=1) - true) / (classes - 1)
    target = (1 - smoothing) * true + smoothing * others

    def loss(inverse: float) -> float:
        total = np.log(np.exp(shifted * inverse).sum(axis=1))
        return float((total - inverse * target).mean())

    # Convex in the inverse of the temperature: golden section finds the one minimum.
    low, high = 1 / RANGE[1], 1 / RANGE[0]
    for _ in range(_STEPS):
        width = _GOLDEN * (high - low)
        if loss(high - width) < loss(low + width):
            high = low + width
        else:
            low = high - width
    return float(f"{2 / (low + high):.4g}")
