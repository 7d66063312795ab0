"""Exit criteria: is the answer of this exit good enough to leave with?

Judged on the raw scores of the exit head, in the integer domain where the head is an integer
type: a softmax in int8 saturates (28 % of one published net's margins do), the logits do not.
The score margin is the success checker of BL-DNN (Park et al., CODES+ISSS 2015); the top score
and the entropy are the rules of BranchyNet (Teerapittayanon et al., ICPR 2016) and its kin.

A criterion is a function of the scores, built once for a stage, that takes about a microsecond.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edge_infer.models_tflite.manifest import FULL_RATIO, Manifest
from edge_infer.runtime.errors import RunError
from edge_infer.runtime.records import ExitDecision

CriterionName = Literal["score-margin", "top-score", "entropy"]
Threshold = float | Sequence[float]
"""One threshold, or one per answered class."""
Criterion = Callable[[NDArray[Any]], ExitDecision]
Measure = Callable[[NDArray[Any]], tuple[int, float]]
"""Raw scores, shape [classes], to answer and confidence."""

FEW_CLASSES = 64
"""Up to here a sort of Python numbers beats numpy's call overhead (measured: 0.4 us for 10)."""

CRITERIA: tuple[CriterionName, ...] = ("score-margin", "top-score", "entropy")


def score_margin(scores: NDArray[Any]) -> tuple[int, float]:
    """Return the top class and the distance of its score to the second, in score units.

    Args:
        scores: shape [classes], int8, uint8 or float32; two classes or more.
    """
    if len(scores) <= FEW_CLASSES:
        values = scores.tolist()
        ordered = sorted(values)
        return values.index(ordered[-1]), ordered[-1] - ordered[-2]
    answer = int(scores.argmax())
    top = scores[answer].item()
    # The two flanks instead of a copy: numpy's max of a view is the cheapest second place.
    second = -math.inf
    if answer:
        second = scores[:answer].max().item()
    if answer + 1 < len(scores):
        second = max(second, scores[answer + 1 :].max().item())
    return answer, top - second


def top_score(scores: NDArray[Any]) -> tuple[int, float]:
    """Return the top class and its score, in score units."""
    answer = int(scores.argmax())
    return answer, scores[answer].item()


def negative_entropy(scores: NDArray[Any], scale: float) -> tuple[int, float]:
    """Return the top class and minus the entropy of the softmax, in nats.

    Negative, so that for every criterion more means surer.

    Args:
        scores: logits, shape [classes].
        scale: real value of one score unit (the quantisation scale; 1.0 for float scores).
    """
    values = scores.tolist()
    top = max(values)
    weights = [math.exp((value - top) * scale) for value in values]
    total = math.fsum(weights)
    # -H = sum p ln p with ln p = (value - top) * scale - ln(total)
    expected = math.fsum(w * (v - top) for w, v in zip(weights, values, strict=True))
    return values.index(top), expected * scale / total - math.log(total)


def measure_of(name: str, scale: float) -> Measure:
    """Return the function that gives (answer, confidence) for a criterion's name.

    Raises:
        RunError: the name is not one of `CRITERIA`.
    """
    if name == "score-margin":
        return score_margin
    if name == "top-score":
        return top_score
    if name == "entropy":
        return lambda scores: negative_entropy(scores, scale)
    raise RunError(f"unknown exit criterion {name!r}; this program knows {', '.join(CRITERIA)}")


def exit_criterion(name: str, threshold: Threshold | None, scale: float = 1.0) -> Criterion:
    """Build the decision of one stage.

    Args:
        name: one of `CRITERIA`.
        threshold: leave at this confidence or above (for entropy: at this many nats or below);
            per class, indexed by the answer, if a sequence; None for the last stage, which
            always leaves.
        scale: real value of one score unit, used by entropy alone.

    Returns:
        A function from raw scores, shape [classes], to an ExitDecision.
    """
    measure = measure_of(name, scale)
    sign = -1 if name == "entropy" else 1
    if threshold is None:
        # The last stage leaves at any confidence.
        return _judge(measure, -math.inf)
    if isinstance(threshold, Sequence):
        return _judge_by_class(measure, tuple(sign * bound for bound in threshold))
    return _judge(measure, sign * threshold)


def exit_criteria(manifest: Manifest, ratio: str = FULL_RATIO) -> tuple[Criterion, ...]:
    """Return the exit decision of each stage of a bundle; the last always leaves.

    Raises:
        UnknownRatioError: the bundle has no such ratio.
    """
    stages = manifest.stages_at(ratio)
    thresholds = manifest.thresholds[ratio]
    values: tuple[Threshold | None, ...] = (*thresholds.values, None)
    return tuple(
        exit_criterion(thresholds.criterion, value, stage.scores.scale or 1.0)
        for stage, value in zip(stages, values, strict=True)
    )


def _judge(measure: Measure, bound: float) -> Criterion:
    if measure is score_margin:
        return _judge_margin(bound)

    def judge(scores: NDArray[Any]) -> ExitDecision:
        answer, confidence = measure(scores)
        return ExitDecision(confidence >= bound, answer, confidence)

    return judge


def _judge_margin(bound: float) -> Criterion:
    """`score_margin` and the comparison in one body: 0.7 us for ten classes, once a stage.

    Sorting ten integers takes less time than two passes for the largest and the next, and a named
    tuple is made in half the time past its own constructor.
    """
    decided = tuple.__new__

    def judge(scores: NDArray[Any]) -> ExitDecision:
        if len(scores) > FEW_CLASSES:
            answer, margin = score_margin(scores)
            return ExitDecision(margin >= bound, answer, margin)
        values = scores.tolist()
        ordered = sorted(values)
        top = ordered[-1]
        margin = top - ordered[-2]
        return decided(ExitDecision, (margin >= bound, values.index(top), margin))

    return judge


def _judge_by_class(measure: Measure, bounds: Sequence[float]) -> Criterion:
    def judge(scores: NDArray[Any]) -> ExitDecision:
        answer, confidence = measure(scores)
        return ExitDecision(confidence >= bounds[answer], answer, confidence)

    return judge


def confidences(
    name: str, scores: NDArray[Any], scale: float = 1.0
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return answers and confidences of many score rows at once, for choosing thresholds.

    Equal to the single-row functions, row by row.

    Args:
        name: one of `CRITERIA`.
        scores: shape [n, classes].
        scale: as in `exit_criterion`.
    """
    wide = scores.astype(np.float64)
    answers = wide.argmax(axis=1)
    if name == "score-margin":
        pair = np.partition(wide, -2, axis=1)[:, -2:]
        return answers, pair[:, 1] - pair[:, 0]
    if name == "top-score":
        return answers, wide.max(axis=1)
    if name == "entropy":
        shifted = (wide - wide.max(axis=1, keepdims=True)) * scale
        total = np.exp(shifted).sum(axis=1)
        return answers, (np.exp(shifted) * shifted).sum(axis=1) / total - np.log(total)
    raise RunError(f"unknown exit criterion {name!r}; this program knows {', '.join(CRITERIA)}")
