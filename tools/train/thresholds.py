"""Exit thresholds with a promise, by the simplest rule that keeps one.

An image is harmed when the last exit would have been right and the exit it leaves at is wrong.
The share of harmed images bounds the loss of accuracy from above, and its own upper confidence
bound is exact (C. J. Clopper and E. S. Pearson, Biometrika 26, 1934). The rule tolerates the same
number of harmed images at each exit and raises that number while the bound stays within the
allowance. The number is chosen on the same images as the thresholds, so the bound is a little
optimistic; `edge-infer tune` chooses with a guarantee that counts the choice.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runtime.exit_criterion import confidences

from .errors import TrainError

RULE = (
    "score margin; equally many harmed images at each exit, as many as keep the Clopper-Pearson "
    "upper bound on their share within the allowance"
)


@dataclass(frozen=True, slots=True)
class Choice:
    """Thresholds and what they did to the images they were chosen on."""

    values: tuple[int, ...]
    """Score margin in LSB from which an image leaves, one per exit but the last."""
    shares: tuple[float, ...]
    """Share of the images that leaves at each exit; sums to 1."""
    harmed: int
    loss_points: float
    """Loss of accuracy against the last exit, in percentage points; negative is a gain."""
    bound_points: float
    """Upper confidence bound on the share of harmed images, in percentage points."""


def binomial_upper_bound(events: int, samples: int, confidence: float) -> float:
    """The largest probability that still gives `events` or fewer with 1 - `confidence`.

    Args:
        events: how often it happened, 0 to `samples`.
        samples: independent draws.
        confidence: for example 0.95.
    """
    if events >= samples:
        return 1.0
    low, high = events / samples, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        terms = [
            math.lgamma(samples + 1) - math.lgamma(k + 1) - math.lgamma(samples - k + 1)
            + k * math.log(middle) + (samples - k) * math.log1p(-middle)
            for k in range(events + 1)
        ]  # fmt: skip
        too_likely = math.fsum(map(math.exp, terms)) > 1 - confidence
        low, high = (middle, high) if too_likely else (low, middle)
    return high


def samples_needed(allowed_points: float, confidence: float) -> int:
    """Images without one harmed that it takes to promise anything."""
    return math.ceil(math.log(1 - confidence) / math.log1p(-allowed_points / 100))


def _threshold(margins: NDArray[Any], harm: NDArray[np.bool_], tolerated: int) -> int:
    """The lowest integer margin from which at most `tolerated` images are harmed."""
    harmful = np.sort(margins[harm])[::-1]
    return 0 if len(harmful) <= tolerated else int(harmful[tolerated]) + 1


def _at(scores: Sequence[NDArray[Any]], labels: NDArray[Any], tolerated: int) -> Choice:
    last_right = scores[-1].argmax(1) == labels
    staying = np.ones(len(labels), bool)
    right = np.zeros(len(labels), bool)
    values, shares = [], []
    for head in scores[:-1]:
        answers, margins = confidences("score-margin", head)
        harm = staying & last_right & (answers != labels)
        values.append(_threshold(margins, harm, tolerated))
        leaving = staying & (margins >= values[-1])
        right[leaving] = answers[leaving] == labels[leaving]
        staying &= ~leaving
        shares.append(float(leaving.mean()))
    right[staying] = last_right[staying]
    harmed = int((last_right & ~right).sum())
    loss = 100 * float(last_right.mean() - right.mean())
    return Choice(tuple(values), (*shares, float(staying.mean())), harmed, loss, math.nan)


def choose_thresholds(
    scores: Sequence[NDArray[Any]],
    labels: NDArray[Any],
    allowed_points: float,
    confidence: float,
) -> Choice:
    """Choose on held-back images.

    Args:
        scores: raw integer scores of each exit, shape [n, classes].
        labels: shape [n].
        allowed_points: loss of accuracy allowed against the last exit, in percentage points.
        confidence: of the promise.

    Raises:
        TrainError: too few images to promise anything; how many it takes.
    """
    needed = samples_needed(allowed_points, confidence)
    if len(labels) < needed:
        raise TrainError(
            f"{len(labels)} held-back images cannot promise {allowed_points} points at "
            f"{confidence:.0%}: hold back at least {needed}"
        )
    best = None
    for tolerated in range(len(labels)):
        choice = _at(scores, labels, tolerated)
        bound = 100 * binomial_upper_bound(choice.harmed, len(labels), confidence)
        if bound > allowed_points:
            break
        best = Choice(choice.values, choice.shares, choice.harmed, choice.loss_points, bound)
        if not any(choice.values):
            break
    assert best is not None  # no image is harmed at tolerance 0, and `needed` images are there
    return best


def apply_thresholds(
    scores: Sequence[NDArray[Any]], labels: NDArray[Any], values: Sequence[float]
) -> tuple[float, tuple[float, ...]]:
    """Accuracy of the adaptive net and the share that leaves at each exit, both 0 to 1."""
    staying = np.ones(len(labels), bool)
    right, shares = 0, []
    for head, threshold in zip(scores, (*values, -math.inf), strict=True):
        answers, margins = confidences("score-margin", head)
        leaving = staying & (margins >= threshold)
        right += int((answers[leaving] == labels[leaving]).sum())
        shares.append(float(leaving.mean()))
        staying &= ~leaving
    return right / len(labels), tuple(shares)
