"""The frames that a bundle takes, and the check that a frame is one."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_infer.models_tflite.bundle import Bundle
from edge_infer.models_tflite.errors import FrameError


@dataclass(frozen=True, slots=True)
class FrameSpec:
    """What a bundle takes: shape [height, width, channels] and dtype of a raw frame."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    any_size: bool = False
    """Height and width may differ: the bundle's preprocessing resizes."""

    @classmethod
    def of(cls, bundle: Bundle) -> "FrameSpec":
        """Return what the first stage of a bundle takes."""
        first = bundle.manifest.stages[0].input
        preprocess = first.preprocess
        assert preprocess is not None  # the manifest's consistency check: stage 0 reads the frame
        any_size = preprocess.resize != "none"
        return cls(first.frame_shape, np.dtype(preprocess.source), any_size)

    def check(self, data: NDArray[Any], name: str) -> NDArray[Any]:
        """Return `data` as the bundle takes it. Raises FrameError with both shapes or dtypes."""
        if data.ndim == len(self.shape) - 1 and self.shape[-1] == 1:
            data = data[..., np.newaxis]
        same = data.shape == self.shape
        if not same and not (self.any_size and data.shape[2:] == self.shape[2:]):
            raise FrameError(
                f"{name}: frame of shape {list(data.shape)}, the bundle takes {list(self.shape)}"
            )
        if data.dtype != self.dtype:
            raise FrameError(
                f"{name}: frame of dtype {data.dtype}, the bundle takes {self.dtype}; "
                f"convert it with .astype({str(self.dtype)!r})"
            )
        return data
