"""From a head in real values to integers: scales from the fitting pictures, biases corrected."""

import numpy as np
from numpy.typing import NDArray

from edge_infer.lab.adapt.features import PointFeatures, quantisation_of
from edge_infer.lab.adapt.head_fit import FittedHead
from edge_infer.models_tflite.attached_heads import (
    NONE,
    AttachedHead,
    HeadPart,
    Pool,
    Quantisation,
)

Array = NDArray[np.float32]

_LEVELS = 127
"""Of weights, to either side of zero."""
_KEPT = 1e-4
"""Share of the logits, at either end, that may saturate."""
_ROOM = 0.02
"""Of the range, beyond what the fitting pictures reach."""


def quantised_head(
    name: str, head: FittedHead, features: PointFeatures, offset: int = 0
) -> AttachedHead:
    """Return a head in the arithmetic of the tensor that it reads.

    Args:
        name: that its scores get.
        head: in real values.
        features: of the pictures that it was fitted on, for the ranges.
        offset: scores in front that no label has, and that are never the highest.
    """
    values = [features.real(pool) for pool in head.pools]
    weights = np.split(head.linear.weights, len(head.pools), axis=1)
    # Each part is centred on its mean, so that two that are added do not cancel from afar.
    centres = [part.mean(axis=0) for part in values]
    moved = [w @ c for w, c in zip(weights, centres, strict=True)]
    whole = head.linear.bias + sum(moved)
    parts, scores = [], []
    for pool, part, w, back in zip(head.pools, values, weights, moved, strict=True):
        bias = (whole / len(head.pools) - back).astype(np.float32)
        logits = part @ w.T + bias
        scores.append(logits)
        parts.append(_part(pool, features, part, w, bias, logits, offset))
    dtype = features.tensor.dtype
    added = NONE if dtype == "float32" else quantisation_of(dtype, *_range(np.sum(scores, axis=0)))
    return AttachedHead(name, features.tensor.name, tuple(parts), added)


def _part(
    pool: Pool, features: PointFeatures, values: Array, weights: Array, bias: Array,
    logits: Array, offset: int,
) -> HeadPart:  # fmt: skip
    dtype = features.tensor.dtype
    silent = np.zeros((offset, weights.shape[1]), np.float32)
    if dtype == "float32":
        low = np.full(offset, logits.min() - 1, np.float32)
        rows = np.ascontiguousarray(np.vstack([silent, weights]))
        return HeadPart(pool, NONE, rows, NONE, np.concatenate([low, bias]), NONE)
    pooled, scores = features.quantisation(pool), quantisation_of(dtype, *_range(logits))
    scale = float(np.float32(max(float(np.abs(weights).max()), 1e-12) / _LEVELS))
    integers = np.rint(weights / scale)
    # What rounding the weights moves the mean logit by, the bias takes back.
    exact = bias + (weights - integers * scale) @ values.mean(axis=0)
    low = np.full(offset, scores.scale * (np.iinfo(dtype).min - scores.zero_point))
    steps = np.rint(np.concatenate([low, exact]) / (pooled.scale * scale))
    zero_point = 128 if dtype == "uint8" else 0
    limit = np.iinfo(np.int32)
    return HeadPart(
        pool,
        pooled,
        (np.vstack([silent, integers]) + zero_point).astype(dtype),
        Quantisation(scale, zero_point),
        np.clip(steps, limit.min, limit.max).astype(np.int32),
        scores,
    )


def _range(logits: Array) -> tuple[float, float]:
    low, high = np.quantile(logits, (_KEPT, 1 - _KEPT))
    room = _ROOM * float(high - low)
    return float(low) - room, float(high) + room
