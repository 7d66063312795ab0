"""The exit predictor of Predictive Exit (Li et al., AAAI 2023), as its authors' code has it.

Zeros are put around the failed exit's logits, a kernel of three ones is run over them, and so on
round by round; the first round whose largest absolute value passes the exit rule says how many
exits ahead the input will leave. The exit rule there is max |z| > beta * thr[p] with thr[p] the
absolute mean logit of exit p over the training inputs, and beta the knob. The authors jump layers;
here each round stands for one exit. `fit` chooses beta as the one that predicts most held-back
inputs right, and counts a confusion table with add-one smoothing, which turns the prediction into
probabilities.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROUNDS = 8


@dataclass(frozen=True)
class ZeroPadPredictor:
    """Predicts the later exit; each prediction is a bin."""

    beta: float
    mean_logits: tuple[float, ...]
    """|mean logit| by exit, in real units."""
    scale: float
    zero_point: int
    leave_first: float
    bin_shares: tuple[float, ...]
    bin_exits: tuple[tuple[float, ...], ...]

    def bin_of(self, scores: NDArray[Any]) -> int:
        """Return the predicted later exit, 0 for the next one, from raw scores [classes]."""
        logits = [(value - self.zero_point) * self.scale for value in scores.tolist()]
        return zero_pad_rounds(logits, self.beta, self.mean_logits)


def zero_pad_rounds(logits: Sequence[float], beta: float, mean_logits: Sequence[float]) -> int:
    """Return how many exits beyond the next one an input is predicted to need.

    Args:
        logits: of the first exit, which was not taken.
        beta: the knob of the exit rule.
        mean_logits: by exit; the last one stands for all beyond.
    """
    padded = np.array(logits, dtype=np.float64)
    later = len(mean_logits) - 1
    for index in range(ROUNDS):
        padded = np.convolve(padded, (1.0, 1.0, 1.0))
        bound = beta * mean_logits[min(index, later)]
        if np.abs(padded).max() > bound:
            return min(index, later - 1)
    return later - 1


def fit_zero_pad(
    scores: Sequence[NDArray[Any]],
    exits: NDArray[np.int64],
    scale: float,
    zero_point: int,
    score_scales: Sequence[tuple[float, int]],
) -> ZeroPadPredictor:
    """Fit beta and the confusion table on held-back inputs.

    Args:
        scores: raw scores by stage, each [n, classes].
        exits: stage at which each input leaves, shape [n].
        scale: of the first exit's scores.
        zero_point: of the first exit's scores.
        score_scales: scale and zero point of each stage's scores.
    """
    means = tuple(
        abs(float(((rows.astype(float) - zero) * unit).mean()))
        for rows, (unit, zero) in zip(scores, score_scales, strict=True)
    )
    staying = exits > 0
    logits = (scores[0][staying].astype(float) - zero_point) * scale
    later = exits[staying] - 1
    count = len(scores) - 1
    best, hits = 1.0, -1
    for beta in np.geomspace(0.5, 5000, 60):
        found = np.array([zero_pad_rounds(row, float(beta), means) for row in logits], int)
        right = int((found == later).sum())
        if right > hits:
            best, hits = float(beta), right
    found = np.array([zero_pad_rounds(row, best, means) for row in logits], int)
    table = np.ones((count, count))
    np.add.at(table, (found, later), 1)
    bins = np.bincount(found, minlength=count) / max(len(found), 1)
    rows = table / table.sum(axis=1, keepdims=True)
    return ZeroPadPredictor(
        best, means, scale, zero_point, float(np.mean(~staying)),
        tuple(map(float, bins)), tuple(tuple(map(float, row)) for row in rows),
    )  # fmt: skip
