"""Resizing with half-pixel centres: the arithmetic of TensorFlow 2's `tf.image.resize`.

Matches the TFLite operators RESIZE_BILINEAR and RESIZE_NEAREST_NEIGHBOR with
half_pixel_centers=true, align_corners=false (kernels/internal/reference/resize_bilinear.h and
resize_nearest_neighbor.h). No antialiasing: Pillow's BILINEAR averages when it shrinks, this
does not.
"""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray


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
