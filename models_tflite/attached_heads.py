"""Heads of a user's own classes, written into a model: pooling over the plane, then a dense layer.

Only operators that every resolver and the device in C have: MEAN, MAX_POOL_2D, FULLY_CONNECTED,
ADD. The model itself stays as it is, to the byte of every weight, so `cut` makes stages of it that
are bit-exact against it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge_infer.models_tflite.errors import CutError
from edge_infer.models_tflite.flatbuffer import pack, schema
from edge_infer.models_tflite.graph import Graph, Tensor

Pool = Literal["mean", "max", "none"]
_INT8_VERSIONS = {"MEAN": 2, "MAX_POOL_2D": 2, "FULLY_CONNECTED": 4, "ADD": 2}
"""Least operator versions that take int8; uint8 and float32 are of version 1."""


class Quantisation(NamedTuple):
    """What the integers of a tensor stand for: scale * (integer - zero point)."""

    scale: float
    zero_point: int


NONE = Quantisation(0.0, 0)
"""Of float32."""


@dataclass(frozen=True, eq=False)
class HeadPart:
    """A dense layer on one way of pooling."""

    pool: Pool
    pooled: Quantisation
    """Of what it reads; a maximum and an unpooled vector have the tensor's own."""
    weights: NDArray[Any]
    """Shape [classes, channels], in the dtype of the tensor."""
    weights_as: Quantisation
    bias: NDArray[Any]
    """Shape [classes]: int32 in steps of both scales multiplied, or float32."""
    scores: Quantisation
    """Of its logits."""


@dataclass(frozen=True, eq=False)
class AttachedHead:
    """A head and the tensor that it reads."""

    name: str
    """That its scores get; no tensor of the model may have it."""
    tensor: str
    """Shape [1, H, W, C] or [1, C]."""
    parts: tuple[HeadPart, ...]
    """One, or two whose logits are added."""
    scores: Quantisation
    """Of the logits; of one part its own."""


def attach_heads(model: bytes, heads: Sequence[AttachedHead]) -> bytes:
    """Return a model with heads beside its own, whose scores [1, classes] are further outputs.

    Args:
        model: a .tflite file of one subgraph.
        heads: what to add, in order.

    Raises:
        CutError: a head reads a tensor that the model does not compute, or one of a shape that
            cannot be pooled, or has a name that a tensor has.
        ModelError: the bytes are no TFLite model.
        ModelNotSupportedError: the model has several subgraphs.
    """
    graph = Graph(model)
    names = {tensor.name for tensor in graph.tensors}
    for head in heads:
        if head.name in names:
            raise CutError(f"the model has a tensor {head.name!r} already: call the head otherwise")
        names.add(head.name)
        _Writer(graph, computed(graph, head.tensor)).write(head)
    return pack(graph.tree)


def computed(graph: Graph, name: str) -> Tensor:
    """Return the tensor of a name that an operator computes and a head can read.

    Raises:
        CutError: there is none, or it has a shape or dtype that no head reads.
    """
    found = [graph.tensors[i] for i in graph.producers() if graph.tensors[i].name == name]
    if len(found) != 1:
        raise CutError(f"{len(found)} operators of the model compute a tensor {name!r}: wants one")
    tensor = found[0]
    if (why := unreadable(tensor)) is not None:
        raise CutError(f"the tensor {name!r} {why}")
    return tensor


def unreadable(tensor: Tensor) -> str | None:
    """Return why no head can read a tensor, None where one can."""
    what = f"is {tensor.dtype} {list(tensor.shape)}"
    if tensor.dtype not in ("int8", "uint8", "float32"):
        return f"{what}: a head reads int8, uint8 or float32"
    if len(tensor.shape) not in (2, 4) or tensor.shape[0] != 1 or -1 in tensor.signature[1:]:
        return f"{what}: a head reads [1, H, W, C] or [1, C] of fixed sizes"
    if tensor.dtype != "float32" and tensor.scale <= 0:
        return f"{what} with {len(tensor.scales)} scales: a head reads one of one scale"
    return None


class _Writer:
    """Adds tensors and operators of one head to a tree."""

    def __init__(self, graph: Graph, source: Tensor) -> None:
        self._tree, self._source = graph.tree, source
        self._subgraph = graph.tree.subgraphs[0]
        self._versions = _INT8_VERSIONS if source.dtype == "int8" else {}

    def write(self, head: AttachedHead) -> None:
        classes = len(head.parts[0].bias)
        if len(head.parts) == 1:
            scores = self._dense(head.name, head.parts[0])
        else:
            partial = [self._dense(f"{head.name}/{part.pool}/scores", part) for part in head.parts]
            scores = self._tensor(head.name, [1, classes], head.scores)
            self._operator("ADD", partial, scores, "Add")
        self._subgraph.outputs = np.append(self._subgraph.outputs, scores).astype(np.int32)

    def _dense(self, name: str, part: HeadPart) -> int:
        where = f"{name.removesuffix('/scores')}/{part.pool}" if "/" not in name else name
        pooled = self._pooled(f"{where}/pooled", part)
        weights = self._tensor(f"{where}/weights", part.weights.shape, part.weights_as,
                               data=part.weights)  # fmt: skip
        product = Quantisation(part.pooled.scale * part.weights_as.scale, 0)
        bias = self._tensor(f"{where}/bias", part.bias.shape, product, data=part.bias)
        scores = self._tensor(name, [1, len(part.bias)], part.scores)
        self._operator("FULLY_CONNECTED", [pooled, weights, bias], scores, "FullyConnected")
        return scores

    def _pooled(self, name: str, part: HeadPart) -> int:
        source = self._source
        if part.pool == "none":
            return source.index
        if part.pool == "mean":
            axes = self._tensor(f"{name}/axes", [2], NONE, data=np.array([1, 2], np.int32))
            pooled = self._tensor(name, [1, source.shape[3]], part.pooled)
            self._operator("MEAN", [source.index, axes], pooled, "Reducer", keepDims=False)
            return pooled
        pooled = self._tensor(name, [1, 1, 1, source.shape[3]], part.pooled)
        self._operator(
            "MAX_POOL_2D", [source.index], pooled, "Pool2D", strideH=1, strideW=1,
            filterHeight=source.shape[1], filterWidth=source.shape[2],
            padding=_number("Padding", "VALID"),
        )  # fmt: skip
        return pooled

    def _tensor(
        self,
        name: str,
        shape: Sequence[int],
        quantisation: Quantisation,
        data: NDArray[Any] | None = None,
    ) -> int:
        dtype = self._source.dtype if data is None else data.dtype.name
        tensor = _new(
            "Tensor", name=name.encode(), shape=np.array(shape, np.int32), buffer=0,
            type=_number("TensorType", dtype.upper()),
        )  # fmt: skip
        if quantisation.scale:
            tensor.quantization = _new(
                "QuantizationParameters",
                scale=np.array([quantisation.scale], np.float32),
                zeroPoint=np.array([quantisation.zero_point], np.int64),
            )
        if data is not None:
            tensor.buffer = len(self._tree.buffers)
            values = np.frombuffer(data.tobytes(), np.uint8)
            self._tree.buffers.append(_new("Buffer", data=values))
        self._subgraph.tensors.append(tensor)
        return len(self._subgraph.tensors) - 1

    def _operator(
        self, op: str, inputs: Sequence[int], output: int, options: str, **fields: Any
    ) -> None:
        self._subgraph.operators.append(
            _new(
                "Operator",
                opcodeIndex=self._code(op),
                inputs=np.array(inputs, np.int32),
                outputs=np.array([output], np.int32),
                intermediates=np.zeros(0, np.int32),
                builtinOptionsType=_number("BuiltinOptions", f"{options}Options"),
                builtinOptions=_new(f"{options}Options", **fields),
            )
        )

    def _code(self, op: str) -> int:
        number, version = _number("BuiltinOperator", op), self._versions.get(op, 1)
        code = _new(
            "OperatorCode", builtinCode=number, deprecatedBuiltinCode=min(number, 127),
            version=version, customCode=b"",
        )  # fmt: skip
        self._tree.operatorCodes.append(code)
        return len(self._tree.operatorCodes) - 1


def _new(table: str, **fields: Any) -> Any:
    made = getattr(schema(), f"{table}T")()
    for field, value in fields.items():
        setattr(made, field, value)
    return made


def _number(enum: str, name: str) -> int:
    number: int = getattr(getattr(schema(), enum), name)
    return number
