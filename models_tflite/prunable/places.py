"""What a ratio overwrites in a file, found and checked once: lengths and constants."""

import math
import mmap
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_infer.models_tflite.errors import PrunableError
from edge_infer.models_tflite.prunable.flat import INT32, ITEM_BYTES, FlatModel, FlatTensor, Vector
from edge_infer.models_tflite.prunable.layout import Cut, Layout

Source = bytes | mmap.mmap
"""A file, to read from."""
Copy = bytearray | memoryview
"""The same, to write into."""
Kept = slice | NDArray[np.intp]
"""Positions that stay of a dimension; a slice where they are a prefix."""
WORD = 4
"""Bytes of a length."""
_OPEN = -1
"""In a signature: any length."""


class Places:
    """Finds what a ratio overwrites; no place may be given out twice.

    Args:
        data: the file.
        flat: its parts.
        layout: what it says of itself.
    """

    def __init__(self, data: bytes, flat: FlatModel, layout: Layout) -> None:
        self._data, self._flat, self._layout = data, flat, layout
        self._lengths = [axis.size(layout.sizes) for axis in layout.axes]
        self._taken: list[tuple[int, int, str]] = []

    def tensor(self, index: int) -> FlatTensor:
        """Return a tensor by its index."""
        if index >= len(self._flat.tensors):
            raise PrunableError(f"the file has no tensor {index}: it is damaged")
        return self._flat.tensors[index]

    def lengths(self) -> list[tuple[int, int]]:
        """Return the position and the axis of every number that says a length of the layout."""
        found: list[tuple[int, int]] = []
        for cut in self._layout.cuts:
            tensor, what = self.tensor(cut.owner), f"the shape of tensor {cut.owner}"
            found.append(self._length(cut, tensor.shape, what))
            if tensor.signature.length and self._word(cut, tensor.signature, what) != _OPEN:
                found.append(self._length(cut, tensor.signature, f"{what} (signature)"))
        for cut in self._layout.shape_constants:
            tensor, what = self.tensor(cut.owner), f"the shape constant {cut.owner}"
            if tensor.type != INT32:
                raise PrunableError(f"{what} holds no int32: the file is damaged")
            words = Vector(tensor.data.at, tensor.data.length // WORD)
            found.append(self._length(cut, words, what))
        for cut in self._layout.reshapes:
            what = f"the shape in operator {cut.owner}"
            found.append(self._length(cut, self._flat.new_shape(cut.owner), what))
        return found

    def shape(self, tensor: FlatTensor) -> tuple[int, ...]:
        """Return the shape that a tensor has in the file."""
        shape: tuple[int, ...] = struct.unpack_from(
            f"<{tensor.shape.length}i", self._data, tensor.shape.at
        )
        return shape

    def constant(self, index: int, item_bytes: int) -> FlatTensor:
        """Return a tensor whose values lie in the file, as many as its shape says."""
        tensor = self.tensor(index)
        shape = self.shape(tensor)
        if min(shape, default=1) < 1 or tensor.data.length != math.prod(shape) * item_bytes:
            raise PrunableError(
                f"tensor {index} of shape {list(shape)} has {tensor.data.length} bytes of values: "
                "the file is damaged"
            )
        self.take(tensor.data, 1, f"the values of tensor {index}")
        return tensor

    def take(self, vector: Vector, item_bytes: int, what: str) -> Vector:
        """Give out a vector with the length before it."""
        self._take(vector.at - WORD, vector.at + vector.length * item_bytes, what)
        return vector

    def check_apart(self) -> None:
        """Check that nothing was given out twice.

        Raises:
            PrunableError: two tensors share a buffer.
        """
        for (_, end, one), (start, _, other) in pairwise(sorted(self._taken)):
            if start < end:
                raise PrunableError(
                    f"{one} and {other} share a buffer, so they cannot be cut apart: write the "
                    "file again with write_prunable"
                )

    def _length(self, cut: Cut, vector: Vector, what: str) -> tuple[int, int]:
        found, wanted = self._word(cut, vector, what), self._lengths[cut.axis]
        if found != wanted:
            raise PrunableError(
                f"{what} has {found} at {cut.position}, its channels make {wanted}: the file is "
                "damaged"
            )
        at = vector.at + WORD * cut.position
        self._take(at, at + WORD, what)
        return at, cut.axis

    def _word(self, cut: Cut, vector: Vector, what: str) -> int:
        if cut.position >= vector.length:
            raise PrunableError(f"{what} has no element {cut.position}: the file is damaged")
        value: int = struct.unpack_from("<i", self._data, vector.at + WORD * cut.position)[0]
        return value

    def _take(self, start: int, end: int, what: str) -> None:
        if start % WORD:
            raise PrunableError(
                f"{what} begins at byte {start}, not at a word: the file is damaged"
            )
        self._taken.append((start, end, what))


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
