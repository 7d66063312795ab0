"""A synthetic pool of scores with a known correlation between exits: nobody's model, any size."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

CLASSES = 10
SHARED_NOISE = 1.0
"""Part of the noise that all exits have in common: an input that is hard is hard for all."""
OWN_NOISE = (1.1, 0.75, 0.6, 0.5)
"""Of each exit: later exits see better."""
SCALE_LSB = 9.0


def score_pool(
    inputs: int, seed: int, own_noise: Sequence[float] = OWN_NOISE
) -> tuple[list[NDArray[Any]], NDArray[np.int64]]:
    """Return int8 logits by exit, each of shape [inputs, 10], and labels."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, CLASSES, inputs)
    signal = np.eye(CLASSES)[labels] * random.gamma(4.0, 1.3, inputs)[:, np.newaxis]
    shared = random.normal(0, SHARED_NOISE, (inputs, CLASSES))
    scores = []
    for noise in own_noise:
        logits = signal + shared + random.normal(0, noise, (inputs, CLASSES))
        scores.append(np.clip(np.rint(logits * SCALE_LSB), -128, 127).astype(np.int8))
    return scores, labels
