"""Where things lie in a .tflite file: a reader of positions that needs no schema library.

Slots are those of the TFLite schema (schema.fbs), vtable offsets of the flatbuffer format: a table
starts with the distance to its vtable, a vtable with its size.
"""

import struct
from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple

from edge_infer.models_tflite.errors import PrunableError

ITEM_BYTES = {0: 4, 1: 2, 2: 4, 3: 1, 4: 8, 7: 2, 9: 1}
"""Bytes an element by TensorType: float32, float16, int32, uint8, int64, int16, int8."""
INT32 = 2

_RESHAPE_OPTIONS = 17
"""Of the union BuiltinOptions."""


class Vector(NamedTuple):
    """A vector in the file."""

    at: int
    """Position of the first element; the length, a u32, stands before it."""
    length: int


_NONE = Vector(0, 0)


class FlatTensor(NamedTuple):
    """Positions of what makes up a tensor."""

    type: int
    shape: Vector
    signature: Vector
    scales: Vector
    zero_points: Vector
    channel_dimension: int
    data: Vector


class FlatModel:
    """The one subgraph of a .tflite file."""

    def __init__(self, data: bytes) -> None:
        """Find the parts of a file.

        Raises:
            PrunableError: it is no flatbuffer of a TFLite model, or points outside itself.
        """
        self._data = data
        if data[4:8] != b"TFL3":
            raise PrunableError("not a TFLite model: the file identifier TFL3 is missing at byte 4")
        self._model = self._follow(0)
        graphs = list(self._tables(self._model, 2))
        if len(graphs) != 1:
            raise PrunableError(f"the model has {len(graphs)} subgraphs: a prunable file has one")
        self._graph = graphs[0]

    def metadata(self, name: str) -> Vector | None:
        """Return where the bytes of a metadata entry lie, None if there is no such entry."""
        for entry in self._tables(self._model, 6):
            at, length = self._vector(entry, 0, 1)
            if self._data[at : at + length] == name.encode():
                return self._buffer(self._scalar(entry, 1, "<I"))
        return None

    @cached_property
    def tensors(self) -> list[FlatTensor]:
        """The tensors of the graph."""
        return [self._tensor(table) for table in self._tables(self._graph, 0)]

    def new_shape(self, operator: int) -> Vector:
        """Return the shape in a RESHAPE's own options; empty for another operator."""
        operators = list(self._tables(self._graph, 3))
        if operator >= len(operators):
            raise PrunableError(f"the file has no operator {operator}: it is damaged")
        table = operators[operator]
        options = self._field(table, 4)
        if not options or self._scalar(table, 3, "<B") != _RESHAPE_OPTIONS:
            return _NONE
        return self._vector(self._follow(options), 0, 4)

    def _tensor(self, table: int) -> FlatTensor:
        quantised = self._field(table, 4)
        inner = self._follow(quantised) if quantised else 0
        return FlatTensor(
            type=self._scalar(table, 1, "<B"),
            shape=self._vector(table, 0, 4),
            signature=self._vector(table, 7, 4),
            scales=self._vector(inner, 2, 4) if inner else _NONE,
            zero_points=self._vector(inner, 3, 8) if inner else _NONE,
            channel_dimension=self._scalar(inner, 6, "<i") if inner else 0,
            data=self._buffer(self._scalar(table, 2, "<I")),
        )

    @cached_property
    def _buffers(self) -> list[int]:
        return list(self._tables(self._model, 4))

    def _buffer(self, index: int) -> Vector:
        if index >= len(self._buffers):
            raise PrunableError(f"the file has no buffer {index}: it is damaged")
        return self._vector(self._buffers[index], 0, 1)

    def _tables(self, table: int, slot: int) -> Iterator[int]:
        at, length = self._vector(table, slot, 4)
        return (self._follow(at + 4 * index) for index in range(length))

    def _vector(self, table: int, slot: int, item_bytes: int) -> Vector:
        place = self._field(table, slot)
        if not place:
            return _NONE
        start = self._follow(place)
        length = self._read("<I", start)
        if start + 4 + length * item_bytes > len(self._data):
            raise self._outside(start)
        return Vector(start + 4, length)

    def _scalar(self, table: int, slot: int, form: str) -> int:
        place = self._field(table, slot)
        return self._read(form, place) if place else 0

    def _field(self, table: int, slot: int) -> int:
        """Return the position of a field, 0 where the table leaves it out."""
        vtable = table - self._read("<i", table)
        entry = 4 + 2 * slot
        if entry + 2 > self._read("<H", vtable):
            return 0
        offset = self._read("<H", vtable + entry)
        return table + offset if offset else 0

    def _follow(self, place: int) -> int:
        return place + self._read("<I", place)

    def _read(self, form: str, place: int) -> int:
        if not 0 <= place <= len(self._data) - struct.calcsize(form):
            raise self._outside(place)
        value: int = struct.unpack_from(form, self._data, place)[0]
        return value

    def _outside(self, place: int) -> PrunableError:
        return PrunableError(
            f"the model points to byte {place} of {len(self._data)}: it is truncated or damaged, "
            "get it again"
        )
