"""Golden vectors: inputs, and the scores that the reference kernels gave for them."""

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from edge_infer.models_tflite.ratio_spec import FULL_RATIO


@dataclass(frozen=True, eq=False)
class GoldenVectors:
    """What the self-test compares with, at one pruning ratio."""

    frames: NDArray[Any]
    """Shape [n, H, W, C], in the source dtype of the bundle's frames."""
    scores: tuple[NDArray[Any], ...]
    """Per stage, shape [n, labels], raw; every stage runs, whether the one before decided or
    not."""


def scores_key(stage: int, ratio: str) -> str:
    """Return the name of a stage's scores at a pruning ratio in the golden file."""
    return f"scores_{stage}" if ratio == FULL_RATIO else f"scores_{stage}@{ratio}"
