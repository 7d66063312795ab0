"""A TFLite graph as other files here ask about it: tensors and nodes by name."""

import math
from dataclasses import dataclass
from typing import Any

from edge_infer.models_tflite.errors import ModelError, ModelNotSupportedError
from edge_infer.models_tflite.flatbuffer import NO_TENSOR, op_name, text, type_name, unpack

__all__ = ["NO_TENSOR", "Graph", "Node", "Tensor"]


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
        self.inputs = [int(index) for index in subgraph.inputs]
        self.outputs = [int(index) for index in subgraph.outputs]
        self.tensors = [self._tensor(index, raw) for index, raw in enumerate(subgraph.tensors)]
        self.nodes = [self._node(raw) for raw in subgraph.operators]
        self.metadata = {
            text(entry.name): self.tree.buffers[entry.buffer].data for entry in self.tree.metadata
        }
        """Named byte arrays that travel in the file."""

    def operand(self, node: Node, position: int) -> Tensor:
        """Return an input of a node.

        Raises:
            ModelError: the node has no such input, which the file must have lost.
        """
        if position >= len(node.inputs) or node.inputs[position] == NO_TENSOR:
            raise ModelError(f"an operator {node.op} has no input {position}: the file is damaged")
        return self.tensors[node.inputs[position]]

    def result(self, node: Node) -> Tensor:
        """Return the first output of a node.

        Raises:
            ModelError: the node has none, which the file must have lost.
        """
        if not node.outputs:
            raise ModelError(f"an operator {node.op} has no output: the file is damaged")
        return self.tensors[node.outputs[0]]

    def producers(self) -> dict[int, int]:
        """Return the index of the node that computes each tensor."""
        return {tensor: i for i, node in enumerate(self.nodes) for tensor in node.outputs}

    def output_names(self) -> dict[str, int]:
        """Return the tensor of each output name: signature names first, then tensor names."""
        names = {
            text(entry.name): int(entry.tensorIndex)
            for signature in self.tree.signatureDefs
            for entry in signature.outputs
        }
        return names | {self.tensors[index].name: index for index in self.outputs}

    def _tensor(self, index: int, raw: Any) -> Tensor:
        shape = tuple(int(size) for size in raw.shape)
        return Tensor(
            index=index,
            name=text(raw.name),
            shape=shape,
            signature=tuple(int(size) for size in raw.shapeSignature) or shape,
            dtype=type_name(raw.type),
            scales=tuple(float(scale) for scale in raw.quantization.scale),
            zero_points=tuple(int(zero) for zero in raw.quantization.zeroPoint),
            constant=len(self.tree.buffers[raw.buffer].data) > 0,
            variable=bool(raw.isVariable),
        )

    def _node(self, raw: Any) -> Node:
        code = self.tree.operatorCodes[raw.opcodeIndex]
        return Node(
            op=op_name(code),
            custom=text(code.customCode),
            inputs=tuple(int(index) for index in raw.inputs),
            outputs=tuple(int(index) for index in raw.outputs),
            options=raw.builtinOptions,
        )
