"""The one check of labels of frames, for all doors."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_infer.models_tflite.errors import FrameError


def check_labels(
    labels: NDArray[Any], count: int, classes: int | None, name: str
) -> NDArray[np.int64]:
    """Return labels as class indices, shape [n].

    Args:
        labels: whole numbers, shape [n] or [n, 1]; floats that are whole will do.
        count: number of frames.
        classes: labels lie below; None if that is not known.
        name: for the message.

    Raises:
        FrameError: they are one-hot, of another number, not whole, or out of range.
    """
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise FrameError(f"{name}: labels of shape {list(labels.shape)}{_one_hot(labels)}")
    if len(labels) != count:
        raise FrameError(f"{name}: {count} frames but {len(labels)} labels")
    if labels.dtype.kind not in "iufb":
        raise FrameError(
            f"{name}: labels of dtype {labels.dtype}, wants class indices: whole numbers from 0"
        )
    whole = np.isfinite(labels) & (labels == np.rint(labels))
    if not whole.all():
        at = int(np.argmin(whole))
        raise FrameError(f"{name}: label {at} is {labels[at]}: wants whole numbers, class indices")
    _refuse_out_of_range(labels, classes, name)
    return labels.astype(np.int64)


def _refuse_out_of_range(labels: NDArray[Any], classes: int | None, name: str) -> None:
    if not len(labels):
        return
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or (classes is not None and high >= classes):
        limit = "no end" if classes is None else f"{classes - 1} ({classes} classes)"
        advice = "; they seem to count from 1: subtract 1" if low > 0 and high == classes else ""
        raise FrameError(f"{name}: labels from {low} to {high}, the bundle's go from 0 to {limit}"
                         f"{advice}")  # fmt: skip


def _one_hot(labels: NDArray[Any]) -> str:
    if labels.ndim == 2 and labels.dtype.kind in "iufb" and labels.size:
        one_hot = ((labels == 0) | (labels == 1)).all() and (labels.sum(axis=1) == 1).all()
        what = "they are one-hot" if one_hot else "these may be scores"
        return f", wants [n]: {what}; class indices are labels.argmax(axis=1)"
    return ", wants [n]: one class index for each frame"
