"""The numbers of a file that say a length, found and checked once."""

import math
import struct
from itertools import pairwise

from edge_infer.models_tflite.prunable.errors import PrunableError
from edge_infer.models_tflite.prunable.flat import INT32, FlatModel, FlatTensor, Vector
from edge_infer.models_tflite.prunable.layout import Cut, Layout

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
