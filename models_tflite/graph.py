"""A TFLite graph as other files here ask about it: tensors and nodes by name."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edge_infer.models_tflite.errors import ModelError, ModelNotSupportedError
from edge_infer.models_tflite.flatbuffer import op_name, type_name, unpack

NO_TENSOR = -1
"""Index of an optional input that is left out."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor of the graph."""

    index: int
    name: str
    shape: tuple[int, ...]
    signature: tuple[int, ...]
    """The shape with -1 where a size is open; equal to `shape` where none is."""
    dtype: str
    scales: tuple[float, ...]
    """One, one per channel, or none for tensors that are not quantised."""
    zero_points: tuple[int, ...]
    constant: bool
    variable: bool
    """Keeps its value from one invocation to the next."""

    @property
    def elements(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def scale(self) -> float:
        """Scale of a per-tensor quantised tensor, 0 for one that is not quantised."""
        return self.scales[0] if len(self.scales) == 1 else 0.0

    @property
    def zero_point(self) -> int:
        """Zero point of a per-tensor quantised tensor."""
        return self.zero_points[0] if len(self.zero_points) == 1 else 0


@dataclass(frozen=True, slots=True)
class Node:
    """An operator in the graph."""

    op: str
    """Builtin operator name."""
    custom: str
    """Name of a custom operator, else empty."""
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Any
    """The builtin options of the schema, or None."""


class Graph:
    """The one subgraph of a model."""

    def __init__(self, model: bytes):
        """Read a model.

        Raises:
            ModelError: the bytes are no TFLite model, or one that points outside itself.
            ModelNotSupportedError: it has several subgraphs (control flow, several signatures).
        """
        self.tree = unpack(model)
        if len(self.tree.subgraphs) != 1:
            raise ModelNotSupportedError(
                f"the model has {len(self.tree.subgraphs)} subgraphs: export one signature "
                "without control flow"
            )
        subgraph = self.tree.subgraphs[0]
        self.inputs = [int(index) for index in _list(subgraph.inputs)]
        self.outputs = [int(index) for index in _list(subgraph.outputs)]
        try:
            self.tensors = [self._tensor(i, raw) for i, raw in enumerate(_list(subgraph.tensors))]
            self.nodes = [self._node(raw) for raw in _list(subgraph.operators)]
            self.metadata = {
                _text(entry.name): self.tree.buffers[entry.buffer].data
                for entry in _list(self.tree.metadata)
            }
            """Named byte arrays that travel in the file."""
        except IndexError:
            raise ModelError("the model refers to a buffer or operator it does not have") from None
        self._check_indices()

    def operand(self, node: Node, position: int) -> Tensor:
        """Return an input of a node.

        Raises:
            ModelError: the node has no such input, which the file must have lost.
        """
        if position >= len(node.inputs) or node.inputs[position] == NO_TENSOR:
            raise ModelError(f"an operator {node.op} has no input {position}: the file is damaged")
        return self.tensors[node.inputs[position]]

    def producers(self) -> dict[int, int]:
        """Return the index of the node that computes each tensor."""
        return {tensor: i for i, node in enumerate(self.nodes) for tensor in node.outputs}

    def output_names(self) -> dict[str, int]:
        """Return the tensor of each output name: signature names first, then tensor names."""
        names = {
            _text(entry.name): int(entry.tensorIndex)
            for signature in _list(self.tree.signatureDefs)
            for entry in _list(signature.outputs)
        }
        return names | {self.tensors[index].name: index for index in self.outputs}

    def _check_indices(self) -> None:
        used = {*self.inputs, *self.outputs}
        used.update(*(node.outputs for node in self.nodes))
        optional = {index for node in self.nodes for index in node.inputs} - {NO_TENSOR}
        outside = {index for index in used | optional if not 0 <= index < len(self.tensors)}
        if outside:
            raise ModelError(f"the model refers to tensors it does not have: {sorted(outside)[:3]}")

    def _tensor(self, index: int, raw: Any) -> Tensor:
        shape = tuple(int(size) for size in _list(raw.shape))
        quantization = raw.quantization
        data = self.tree.buffers[raw.buffer].data
        return Tensor(
            index=index,
            name=_text(raw.name),
            shape=shape,
            signature=tuple(int(size) for size in _list(raw.shapeSignature)) or shape,
            dtype=type_name(raw.type),
            scales=tuple(float(s) for s in _list(quantization and quantization.scale)),
            zero_points=tuple(int(z) for z in _list(quantization and quantization.zeroPoint)),
            constant=data is not None and len(data) > 0,
            variable=bool(raw.isVariable),
        )

    def _node(self, raw: Any) -> Node:
        code = self.tree.operatorCodes[raw.opcodeIndex]
        return Node(
            op=op_name(code),
            custom=_text(code.customCode),
            inputs=tuple(int(index) for index in _list(raw.inputs)),
            outputs=tuple(int(index) for index in _list(raw.outputs)),
            options=raw.builtinOptions,
        )


def _list(vector: Any) -> Sequence[Any]:
    """Return a vector of the object tree; absent and empty are one (numpy has no truth value)."""
    return [] if vector is None else vector


def _text(value: bytes | str | None) -> str:
    """Return a name as printable text: names end up in messages, and a file may hold anything."""
    text = value.decode(errors="replace") if isinstance(value, bytes) else value or ""
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)
