"""From a frame to a stage's input tensor: resize, normalise, quantise, lay out.

Resizing has half-pixel centres, the arithmetic of TensorFlow 2's `tf.image.resize`: it matches the
TFLite operators RESIZE_BILINEAR and RESIZE_NEAREST_NEIGHBOR with half_pixel_centers=true,
align_corners=false (kernels/internal/reference/resize_bilinear.h and resize_nearest_neighbor.h). No
antialiasing: Pillow's BILINEAR averages when it shrinks, this does not.
"""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_infer.models_tflite.errors import FrameError
from edge_infer.models_tflite.stage_spec import StageInput


def quantize(
    real: NDArray[np.float32], scale: float, zero_point: int, dtype: str
) -> NDArray[np.generic]:
    """Quantise as the QUANTIZE kernel does: divide in float32, round halves away from zero.

    Source: TFLite kernels/internal/reference/quantize.h, AffineQuantize.

    Returns:
        An array of `dtype` (int8 or uint8), saturated at its limits.
    """
    # Halves are added in float64: in float32, 0.49999997 + 0.5 is 1.
    scaled = (np.asarray(real, np.float32) / np.float32(scale)).astype(np.float64)
    rounded = np.trunc(scaled + np.copysign(0.5, scaled)) + zero_point
    limits = np.iinfo(dtype)
    quantised: NDArray[np.generic] = np.clip(rounded, limits.min, limits.max).astype(dtype)
    return quantised


def resize_nearest(frame: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    """Return a frame [h, w, c] as [height, width, c], same dtype."""
    rows = _nearest(frame.shape[0], height)
    columns = _nearest(frame.shape[1], width)
    picked: NDArray[Any] = frame[rows[:, None], columns[None, :]]
    return picked


def resize_bilinear(frame: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    """Return a frame [h, w, c] as [height, width, c]; uint8 is rounded half up, float32 kept."""
    top, bottom, down = _linear(frame.shape[0], height)
    left, right, across = _linear(frame.shape[1], width)
    values = frame.astype(np.float32)
    down, across = down[:, None, None], across[None, :, None]
    rows = values[top] * (1 - down) + values[bottom] * down
    resized: NDArray[Any] = rows[:, left] * (1 - across) + rows[:, right] * across
    return (resized + np.float32(0.5)).astype(np.uint8) if frame.dtype == np.uint8 else resized


@lru_cache(maxsize=16)
def _nearest(size: int, wanted: int) -> NDArray[np.intp]:
    scale = np.float32(size) / np.float32(wanted)
    centres = (np.arange(wanted, dtype=np.float32) + np.float32(0.5)) * scale
    picked: NDArray[np.intp] = np.minimum(np.floor(centres), size - 1).astype(np.intp)
    return picked


@lru_cache(maxsize=16)
def _linear(size: int, wanted: int) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[Any]]:
    """Return the lower and upper neighbour of each output position, and the upper's weight."""
    scale = np.float32(size) / np.float32(wanted)
    centres = (np.arange(wanted, dtype=np.float32) + np.float32(0.5)) * scale - np.float32(0.5)
    floor = np.floor(centres)
    lower = np.maximum(floor, 0).astype(np.intp)
    upper = np.minimum(floor + 1, size - 1).astype(np.intp)
    return lower, upper, centres - floor


_RESIZERS = {"bilinear": resize_bilinear, "nearest": resize_nearest}


class FrameInput:
    """Turns frames into the input of one stage.

    A uint8 or int8 frame goes through one 256-entry table per channel (one in all, if the channels
    are treated alike), a float32 frame through the arithmetic itself.
    """

    def __init__(self, spec: StageInput):
        """Prepare for a stage that reads the frame.

        Args:
            spec: the stage's input, with its preprocess.
        """
        if spec.preprocess is None:
            raise ValueError("the stage reads the stage before it, not a frame")
        self.spec = spec
        self._preprocess = spec.preprocess
        self._frame_shape = spec.frame_shape
        self._source = np.dtype(spec.preprocess.source)
        self._quantised = np.dtype(spec.dtype)
        self._tensor_shape = (1, *spec.shape)
        self._resize = _RESIZERS.get(spec.preprocess.resize)
        self.tables = None if self._source == np.float32 else self._lookup_tables()
        """What each byte of a frame becomes: [256], or [C, 256] where channels differ."""

    @property
    def byte_table(self) -> bytes | None:
        """The one table of bytes that an 8-bit frame of the right shape goes through, if any."""
        table = self.tables
        if table is None or table.ndim != 1 or table.itemsize != 1:
            return None
        return None if self._preprocess.layout == "NCHW" else table.tobytes()

    def __call__(self, frame: NDArray[Any]) -> NDArray[Any]:
        """Return the input tensor, shape [1, ...], of a frame.

        Args:
            frame: shape [H, W, C] (any H and W if the bundle resizes) in the source dtype; or
                the tensor itself without batch, already in the stage's integer dtype.

        Raises:
            FrameError: the shape or dtype is another.
        """
        if frame.dtype != self._source:
            return self._already_quantised(frame)
        if frame.shape != self._frame_shape:
            frame = self._resized(frame)
        if self.tables is None:
            values = self._convert(frame)
        elif self.tables.ndim == 1:
            values = self.tables.take(frame.view(np.uint8))
        else:
            values = self.tables[np.arange(len(self.tables)), frame.view(np.uint8)]
        if self._preprocess.layout == "NCHW":
            values = np.ascontiguousarray(values.transpose(2, 0, 1))
        return values.reshape(self._tensor_shape)

    def _already_quantised(self, frame: NDArray[Any]) -> NDArray[Any]:
        if frame.dtype != self._quantised or frame.shape != self.spec.shape:
            raise FrameError(self._complaint(frame))
        return frame.reshape(self._tensor_shape)

    def _resized(self, frame: NDArray[Any]) -> NDArray[Any]:
        wanted = self._frame_shape
        if self._resize is None or frame.ndim != 3 or frame.shape[2:] != wanted[2:]:
            raise FrameError(self._complaint(frame))
        if 0 in frame.shape:
            raise FrameError(self._complaint(frame))
        return self._resize(frame, wanted[0], wanted[1])

    def _complaint(self, frame: NDArray[Any]) -> str:
        wanted = list(self._frame_shape)
        size = f"{wanted} or any height and width" if self._resize else str(wanted)
        found = f"{list(frame.shape)} {frame.dtype}"
        return f"a frame is {found}, the bundle wants {size} {self._source}"

    def _convert(self, values: NDArray[Any]) -> NDArray[Any]:
        mean = np.asarray(self._preprocess.mean, np.float64)
        std = np.asarray(self._preprocess.std, np.float64)
        real = ((values - mean) / std).astype(np.float32)
        if self._quantised == np.float32:
            return real
        return quantize(real, self.spec.scale, self.spec.zero_point, self.spec.dtype)

    def _lookup_tables(self) -> NDArray[Any]:
        """Return the table [256], or [C, 256] where mean or std differ between channels."""
        levels = np.arange(256).astype(np.uint8).view(self._source).astype(np.float64)
        if len(self._preprocess.mean) == len(self._preprocess.std) == 1:
            return self._convert(levels)
        channels = self._frame_shape[-1]
        return np.ascontiguousarray(self._convert(np.tile(levels[:, None], (1, channels))).T)
