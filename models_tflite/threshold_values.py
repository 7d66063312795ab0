"""Thresholds as the manifest states them, from confidences where more is surer."""

from collections.abc import Sequence
from math import ceil, inf

import numpy as np

from edge_infer.models_tflite.graph import Tensor
from edge_infer.models_tflite.manifest import ChosenOn, Criterion, Thresholds


def untuned(heads: Sequence[Tensor], criterion: Criterion = "score-margin") -> Thresholds:
    """Return thresholds that let no frame leave early.

    Args:
        heads: of all stages but the last.
        criterion: how they are judged.
    """
    values = tuple(threshold_value(criterion, inf, head.dtype) for head in heads)
    return Thresholds(criterion, values, ChosenOn("none", "not tuned yet", None, None, 0))


def threshold_value(criterion: Criterion, confidence: float, dtype: str) -> float:
    """Return the manifest's threshold for "leave at this confidence or above".

    Args:
        criterion: for entropy, the manifest states the most nats to leave with.
        confidence: more is surer; infinity never leaves.
        dtype: of the head: int8 and uint8 thresholds are integers.
    """
    if criterion == "entropy":
        return -1.0 if confidence == inf else -confidence
    if dtype == "float32":
        return float(np.finfo(np.float32).max) if confidence == inf else confidence
    most = np.iinfo(dtype).max - (np.iinfo(dtype).min if criterion == "score-margin" else 0)
    return int(most) + 1 if confidence == inf else ceil(confidence)
