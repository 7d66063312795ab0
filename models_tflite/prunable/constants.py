"""Constants of a file that a ratio makes smaller, or gives other values."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models_tflite.prunable.errors import PrunableError
from models_tflite.prunable.flat import ITEM_BYTES, Vector
from models_tflite.prunable.places import WORD, Places

Kept = slice | NDArray[np.intp]
"""Positions that stay of a dimension; a slice where they are a prefix."""


@dataclass(frozen=True, slots=True)
class Constant:
    """A constant tensor in the file."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    """Signed integers of the item's size: values are moved, and only int8 is ever negated."""
    cuts: tuple[tuple[int, int], ...]
    """Dimension and axis."""
    data: Vector
    scales: Vector
    zero_points: Vector
    channel_dimension: int
    """Of the scales, where there are several."""

    def cut(self, file: bytes, kept: Sequence[Kept]) -> NDArray[Any]:
        """Return the values that stay; `kept` is by axis."""
        count = self.data.length // self.dtype.itemsize
        values = np.frombuffer(file, self.dtype, count, self.data.at).reshape(self.shape)
        for dimension, axis in self.cuts:
            chosen = kept[axis]
            if isinstance(chosen, slice):
                values = values[(slice(None),) * dimension + (chosen,)]
            else:
                values = np.take(values, chosen, dimension)
        return values

    def cut_scales(self, file: bytes, kept: Sequence[Kept]) -> NDArray[np.float32]:
        """Return the full width's scales of the channels that stay."""
        scales = np.frombuffer(file, "<f4", self.scales.length, self.scales.at)
        axis = dict(self.cuts).get(self.channel_dimension) if len(scales) > 1 else None
        return scales if axis is None else scales[kept[axis]]

    def write(self, work: bytearray, values: NDArray[Any], scales: NDArray[np.float32]) -> None:
        """Put the values and scales of a ratio in the place of the full width's.

        Args:
            work: a copy of the file.
            values: at most as many as there were.
            scales: at most as many as there were; zero points stay, as many as the scales.
        """
        content = values.tobytes()
        _overwrite(work, self.data, content, len(content))
        if self.scales.length:
            _overwrite(work, self.scales, scales.astype("<f4").tobytes(), len(scales))
            _overwrite(work, self.zero_points, b"", len(scales))


def find_constant(places: Places, index: int, cuts: Sequence[tuple[int, int]]) -> Constant:
    """Look up a constant and take its place.

    Args:
        places: of the file.
        index: of the tensor.
        cuts: dimension and axis.

    Raises:
        PrunableError: its values do not lie in the file, or are of a type without whole bytes.
    """
    kind = places.tensor(index).type
    if kind not in ITEM_BYTES:
        raise PrunableError(f"tensor {index} is of type {kind}: it cannot be cut")
    tensor = places.constant(index, ITEM_BYTES[kind])
    shape, scales = places.shape(tensor), tensor.scales.length
    channels = shape[tensor.channel_dimension : tensor.channel_dimension + 1]
    if scales != tensor.zero_points.length or (scales > 1 and (scales,) != channels):
        raise PrunableError(
            f"tensor {index} of shape {list(shape)} has {scales} scales and "
            f"{tensor.zero_points.length} zero points: the file is damaged"
        )
    if scales:
        places.take(tensor.scales, WORD, f"the scales of tensor {index}")
        places.take(tensor.zero_points, 2 * WORD, f"the zero points of tensor {index}")
    return Constant(
        shape=shape,
        dtype=np.dtype(f"<i{ITEM_BYTES[kind]}"),
        cuts=tuple(cuts),
        data=tensor.data,
        scales=tensor.scales,
        zero_points=tensor.zero_points,
        channel_dimension=tensor.channel_dimension,
    )


def _overwrite(work: bytearray, vector: Vector, content: bytes, length: int) -> None:
    work[vector.at - WORD : vector.at] = length.to_bytes(WORD, "little")
    work[vector.at : vector.at + len(content)] = content
