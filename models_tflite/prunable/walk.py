"""Walk a graph operator by operator and follow every channel through it."""

import math
from collections.abc import Callable

import numpy as np

from edge_infer.models_tflite.errors import ModelError, ModelNotSupportedError
from edge_infer.models_tflite.graph import NO_TENSOR, Graph, Node, Tensor
from edge_infer.models_tflite.prunable.atoms import Atoms, AtomSet
from edge_infer.models_tflite.prunable.channels import ENDS

_PASSING = """
RELU RELU6 RELU_N1_TO_1 RELU_0_TO_1 LEAKY_RELU ELU GELU LOGISTIC TANH HARD_SWISH ABS NEG
QUANTIZE DEQUANTIZE CAST AVERAGE_POOL_2D MAX_POOL_2D L2_POOL_2D RESIZE_BILINEAR
RESIZE_NEAREST_NEIGHBOR SQUEEZE EXPAND_DIMS
"""
_BINARY = ("ADD", "SUB", "MUL", "DIV", "MAXIMUM", "MINIMUM", "SQUARED_DIFFERENCE", "PRELU")
_REDUCING = ("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD")
_PADDING = ("PAD", "PADV2", "MIRROR_PAD")
_DEFAULT_WEIGHTS = 0
"""FullyConnectedOptionsWeightsFormat: rows of the matrix as they are."""
_MOST_CHANNELS = 1 << 20
"""What a tensor can have: more than any net here, less than a damaged shape may ask for."""


class ChannelWalk:
    """What is known of the channels of a graph once every operator was passed."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self.atoms = AtomSet()
        self.labels: dict[int, Atoms] = {}
        """Channels along the last dimension of each computed tensor."""
        self.cuts: dict[tuple[int, int], Atoms] = {}
        """By tensor and dimension."""
        self.shapes: dict[tuple[str, int], tuple[Atoms, bool]] = {}
        """By name and element: a length that is written down; True in a RESHAPE's own options."""
        self.made: list[tuple[int, int]] = []
        """Places among `cuts` where channels begin, in graph order."""
        for index in graph.inputs:
            self._start(index, ENDS[0])
        for node in graph.nodes:
            ends = bool(node.outputs) and node.inputs[:1] not in ((), (NO_TENSOR,))
            rule = _RULES.get(node.op) if ends else None
            (rule or ChannelWalk._unknown)(self, node)
        for index in graph.outputs:
            self.atoms.freeze(self._of(index), ENDS[1])

    def _of(self, index: int) -> Atoms:
        """Return the channels of a tensor that is no constant; a variable's must stay."""
        if index not in self.labels:
            tensor = self._graph.tensors[index]
            self._start(index, "a variable" if tensor.variable else f"a constant {tensor.name}")
        return self.labels[index]

    def _start(self, index: int, frozen: str) -> None:
        self.labels[index] = self.atoms.new(self._depth(index), frozen)

    def _depth(self, index: int) -> int:
        """Return the channels of a tensor: its last dimension, 1 for a scalar."""
        tensor = self._graph.tensors[index]
        depth = tensor.shape[-1] if tensor.shape else 1
        if not 1 <= depth <= _MOST_CHANNELS:
            raise ModelNotSupportedError(f"the tensor {tensor.name} has {depth} channels")
        return depth

    def _cut(self, node: Node, position: int, dimension: int, labels: Atoms) -> None:
        """Note that a dimension of a constant input has these channels."""
        if position >= len(node.inputs) or node.inputs[position] == NO_TENSOR:
            return
        tensor = self._graph.tensors[node.inputs[position]]
        if tensor.shape[dimension : dimension + 1] != (len(labels),):
            raise ModelNotSupportedError(
                f"the tensor {tensor.name} has the shape {list(tensor.shape)}, its {node.op} wants "
                f"{len(labels)} channels at {dimension}"
            )
        self.cuts[tensor.index, dimension] = labels

    def _hand_on(self, node: Node, labels: Atoms) -> None:
        index, depth = node.outputs[0], self._depth(node.outputs[0])
        if len(labels) != depth:
            raise ModelError(
                f"the tensor {self._graph.tensors[index].name} has {depth} channels, {node.op} "
                f"makes {len(labels)}: the file is damaged"
            )
        self.labels[index] = labels

    def _unknown(self, node: Node, what: str = "") -> None:
        """Keep all channels that a node reads and makes."""
        reason = f"{what or node.custom or node.op} needs them"
        for index in node.inputs:
            if index != NO_TENSOR and not self._graph.tensors[index].constant:
                self.atoms.freeze(self._of(index), reason)
        for index in node.outputs:
            self._start(index, reason)

    def _constant(self, node: Node, position: int) -> Tensor | None:
        if position >= len(node.inputs) or node.inputs[position] == NO_TENSOR:
            return None
        tensor = self._graph.tensors[node.inputs[position]]
        return tensor if tensor.constant else None

    def _weights(self, node: Node, dimensions: int) -> Tensor | None:
        """Return the second input if it is a constant with so many dimensions."""
        tensor = self._constant(node, 1)
        if tensor is None or len(tensor.shape) != dimensions:
            return None
        return tensor if all(1 <= size <= _MOST_CHANNELS for size in tensor.shape) else None

    def _values(self, node: Node, position: int) -> list[int] | None:
        """Return the elements of a constant int32 input, None if it is computed."""
        tensor = self._constant(node, position)
        if tensor is None or tensor.dtype != "int32":
            return None
        raw = self._graph.tree.subgraphs[0].tensors[tensor.index]
        data = self._graph.tree.buffers[raw.buffer].data
        return [int(n) for n in np.frombuffer(bytes(data), "<i4")]

    def _conv(self, node: Node) -> None:
        weights, labels = self._weights(node, 4), self._of(node.inputs[0])
        if weights is None:
            return self._unknown(node, f"{node.op} with computed weights")
        if weights.shape[3] != len(labels):
            return self._unknown(node, f"{node.op} in groups")
        made = self.atoms.new(weights.shape[0])
        self.made.append((weights.index, 0))
        self._cut(node, 1, 0, made)
        self._cut(node, 1, 3, labels)
        self._cut(node, 2, 0, made)
        return self._hand_on(node, made)

    def _depthwise(self, node: Node) -> None:
        weights, labels = self._weights(node, 4), self._of(node.inputs[0])
        if weights is None or weights.shape[3] % len(labels):
            return self._unknown(node, f"{node.op} with computed weights")
        made = np.repeat(labels, weights.shape[3] // len(labels))
        self._cut(node, 1, 3, made)
        self._cut(node, 2, 0, made)
        return self._hand_on(node, made)

    def _dense(self, node: Node) -> None:
        weights, labels = self._weights(node, 2), self._of(node.inputs[0])
        plain = getattr(node.options, "weightsFormat", _DEFAULT_WEIGHTS) == _DEFAULT_WEIGHTS
        if weights is None or not plain or weights.shape[1] % len(labels):
            return self._unknown(node, f"{node.op} with computed or shuffled weights")
        made = self.atoms.new(weights.shape[0])
        self.made.append((weights.index, 0))
        self._cut(node, 1, 0, made)
        # A map is flattened row by row: its channels come once per pixel.
        self._cut(node, 1, 1, np.tile(labels, weights.shape[1] // len(labels)))
        self._cut(node, 2, 0, made)
        return self._hand_on(node, made)

    def _pass(self, node: Node) -> None:
        labels = self._of(node.inputs[0])
        if self._depth(node.outputs[0]) != len(labels):
            return self._unknown(node)
        return self._hand_on(node, labels)

    def _binary(self, node: Node) -> None:
        depth = self._depth(node.outputs[0])
        found: Atoms | None = None
        for position, index in enumerate(node.inputs):
            tensor = self._graph.operand(node, position)
            if self._depth(index) != depth:
                if not tensor.constant:  # one value for all channels
                    self.atoms.freeze(self._of(index), f"{node.op} spreads it")
                continue
            if tensor.constant:
                labels = self.atoms.new(depth)
                if tensor.shape:
                    self._cut(node, position, len(tensor.shape) - 1, labels)
            else:
                labels = self._of(index)
            if found is not None:
                self.atoms.join(found, labels)
            found = labels
        if found is None:
            return self._unknown(node)
        return self._hand_on(node, found)

    def _pad(self, node: Node) -> None:
        around = self._values(node, 1)
        if around is None or any(around[-2:]):
            return self._unknown(node, f"{node.op} along the channels")
        return self._pass(node)

    def _reduce(self, node: Node) -> None:
        axes, rank = self._values(node, 1), len(self._graph.tensors[node.inputs[0]].shape)
        if axes is None or rank - 1 in {axis % max(rank, 1) for axis in axes}:
            return self._unknown(node, f"{node.op} over the channels")
        return self._pass(node)

    def _concatenate(self, node: Node) -> None:
        rank = len(self._graph.tensors[node.outputs[0]].shape)
        parts = [self._of(self._graph.operand(node, i).index) for i in range(len(node.inputs))]
        if getattr(node.options, "axis", 0) % max(rank, 1) == rank - 1:
            return self._hand_on(node, np.concatenate(parts))
        if len({len(part) for part in parts}) > 1:
            return self._unknown(node)
        for part in parts[1:]:
            self.atoms.join(parts[0], part)
        return self._hand_on(node, parts[0])

    def _reshape(self, node: Node) -> None:
        labels, depth = self._of(node.inputs[0]), self._depth(node.outputs[0])
        target = self._values(node, 1)
        own = [int(size) for size in getattr(node.options, "newShape", ())]
        made = _reshaped(self._graph.tensors[node.inputs[0]].shape, labels, depth)
        if made is None or (target is None and (len(node.inputs) > 1 or not own)):
            return self._unknown(node)
        if target and target[-1] > 0:
            self.shapes[self._graph.tensors[node.inputs[1]].name, len(target) - 1] = made, False
        if own and own[-1] > 0:
            self.shapes[self._graph.tensors[node.outputs[0]].name, len(own) - 1] = made, True
        return self._hand_on(node, made)


def _reshaped(shape: tuple[int, ...], labels: Atoms, depth: int) -> Atoms | None:
    """Return the channels along the last dimension of a reshaped tensor, None if they are split."""
    if depth == len(labels):
        return labels
    sizes = [math.prod(shape[i:]) for i in range(len(shape))]
    if depth in sizes:  # flattened: the channels of every pixel in a row
        return np.tile(labels, depth // len(labels))
    if len(labels) % depth == 0 and np.array_equal(
        labels, np.tile(labels[:depth], len(labels) // depth)
    ):
        return labels[:depth]  # back from flattened
    return None


_RULES: dict[str, Callable[[ChannelWalk, Node], None]] = {
    "CONV_2D": ChannelWalk._conv,
    "DEPTHWISE_CONV_2D": ChannelWalk._depthwise,
    "FULLY_CONNECTED": ChannelWalk._dense,
    "CONCATENATION": ChannelWalk._concatenate,
    "RESHAPE": ChannelWalk._reshape,
    **dict.fromkeys(_PASSING.split(), ChannelWalk._pass),
    **dict.fromkeys(_BINARY, ChannelWalk._binary),
    **dict.fromkeys(_PADDING, ChannelWalk._pad),
    **dict.fromkeys(_REDUCING, ChannelWalk._reduce),
}
