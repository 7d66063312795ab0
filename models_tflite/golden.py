"""Golden vectors: inputs, and the scores that the reference kernels gave for them."""

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class GoldenVectors:
    """What the self-test compares with."""

    frames: NDArray[Any]
    """Shape [n, H, W, C], in the source dtype of the bundle's frames."""
    scores: tuple[NDArray[Any], ...]
    """Per stage, shape [n, labels], raw; every stage runs, whether the one before decided or
    not."""
