"""The net's own classifier, kept where the pictures' classes are the net's labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_infer.lab.adapt.errors import AdaptError
from edge_infer.lab.adapt.pictures import Pictures
from edge_infer.models_tflite.classifier import Classifier, fit_labels
from edge_infer.models_tflite.lint import find_head_kind
from edge_infer.runtime.errors import InputError
from edge_infer.runtime.frames.folders import class_of

_LEAST = 1e-6
"""Of a probability that an integer softmax rounded to 0."""


@dataclass(frozen=True, eq=False)
class OwnHead:
    """The net's own scores, and which label each class folder is."""

    tensor: str
    """Name of the net's output."""
    labels: tuple[str, ...]
    """Of the net, in the order of its scores."""
    offset: int
    """Scores in front that have no label."""
    label_of: NDArray[np.int64]
    """Index into `labels` of each class folder, shape [classes]."""
    kind: str
    """logits or softmax."""
    scale: float
    zero_point: int

    def logits(self, raw: NDArray[Any]) -> NDArray[np.float32]:
        """Return logits of the labels from raw scores [n, values], shape [n, labels]."""
        real = (raw[:, self.offset :].astype(np.float32) - self.zero_point) * (self.scale or 1.0)
        if self.kind == "softmax":
            real = np.log(np.maximum(real, _LEAST))
        found: NDArray[np.float32] = real.astype(np.float32)
        return found


def find_own_head(
    net: Classifier, labels: Sequence[str] | None, pictures: Pictures, wanted: bool
) -> OwnHead | None:
    """Return the net's own head where each of its labels has a folder, and each folder a label.

    Args:
        net: the backbone.
        labels: of its scores, where they are known.
        pictures: whose folders are the classes.
        wanted: raise where there is none, and say why.

    Raises:
        AdaptError: it was asked for and cannot be kept.
        ModelNotSupportedError: the labels do not fit the net's scores.
    """
    if labels is None:
        if wanted:
            raise AdaptError(
                f"{net.name}: its labels are not known: give --labels FILE to keep its own head"
            )
        return None
    fitted, offset = fit_labels(labels, net.classes)
    try:
        meant = [class_of(name, fitted) for name in pictures.classes]
    except InputError as error:
        if wanted:
            raise AdaptError(f"{pictures.folder}: the subfolder {error}") from None
        return None
    if len(set(meant)) < len(fitted):
        if wanted:
            lacking = [fitted[k] for k in range(len(fitted)) if k not in meant]
            raise AdaptError(
                f"{pictures.folder}: {len(lacking)} of the net's {len(fitted)} labels have no "
                f"folder ({', '.join(lacking[:3])}, ...): its own head would answer classes that "
                "no picture is of; leave --head out"
            )
        return None
    if len(set(meant)) < len(meant):
        raise AdaptError(f"{pictures.folder}: two subfolders are one label of {net.name}")
    tensor = net.graph.tensors[net.graph.outputs[0]]
    return OwnHead(
        tensor.name, tuple(fitted), offset, np.array(meant, np.int64),
        find_head_kind(net.graph, 0), tensor.scale, tensor.zero_point,
    )  # fmt: skip
