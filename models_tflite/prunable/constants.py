"""Constants of a file that a ratio makes smaller, or gives other values."""

import mmap
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_infer.models_tflite.prunable.errors import PrunableError
from edge_infer.models_tflite.prunable.flat import ITEM_BYTES, Vector
from edge_infer.models_tflite.prunable.places import WORD, Places

Source = bytes | mmap.mmap
"""A file, to read from."""
Copy = bytearray | memoryview
"""The same, to write into."""
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

    @property
    def channel_axis(self) -> int | None:
        """Axis of the scales, None where there is one or all of them stay."""
        return dict(self.cuts).get(self.channel_dimension) if self.scales.length > 1 else None

    def cut(
        self,
        file: Source,
        copy: Copy,
        kept: Sequence[Kept],
        signs: NDArray[np.int8] | None = None,
    ) -> None:
        """Put the values that stay at the front.

        Args:
            file: the full width; not the memory of `copy`, so that nothing is moved twice.
            copy: to write into.
            kept: positions that stay, by axis.
            signs: of the channels, None where all are +1.
        """
        values: NDArray[Any] = np.ndarray(self.shape, self.dtype, file, self.data.at)
        for dimension, axis in self.cuts:
            chosen = kept[axis]
            if isinstance(chosen, slice):
                values = values[(slice(None),) * dimension + (chosen,)]
            else:
                values = np.take(values, chosen, dimension)
        smaller: NDArray[Any] = np.ndarray(values.shape, self.dtype, copy, self.data.at)
        if signs is None:
            smaller[...] = values
        else:
            along = [1] * values.ndim
            along[self.channel_dimension] = len(signs)
            np.multiply(values, signs.reshape(along), out=smaller)
        struct.pack_into("<I", copy, self.data.at - WORD, smaller.nbytes)

    def cut_scales(self, file: Source, copy: Copy, kept: Sequence[Kept]) -> None:
        """Put the scales that stay at the front; zero points are all the same."""
        axis = self.channel_axis
        if axis is not None:
            scales = np.frombuffer(file, "<f4", self.scales.length, self.scales.at)[kept[axis]]
            smaller: NDArray[Any] = np.ndarray(scales.shape, scales.dtype, copy, self.scales.at)
            smaller[...] = scales
            for vector in (self.scales, self.zero_points):
                struct.pack_into("<I", copy, vector.at - WORD, len(scales))


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
