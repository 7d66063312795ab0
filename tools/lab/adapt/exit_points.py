"""Where a net can have an exit: tensors at which the rest of it hangs on nothing before them."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_infer.lab.adapt.errors import AdaptError
from edge_infer.models_tflite.attached_heads import unreadable
from edge_infer.models_tflite.cut import cut
from edge_infer.models_tflite.errors import CutError
from edge_infer.models_tflite.flatbuffer import pack
from edge_infer.models_tflite.graph import Graph, Node, Tensor
from edge_infer.models_tflite.ops import node_macs

_MOVES = frozenset({
    "PAD", "PADV2", "MIRROR_PAD", "RESHAPE", "SQUEEZE", "EXPAND_DIMS", "TRANSPOSE", "QUANTIZE",
    "DEQUANTIZE", "SPACE_TO_BATCH_ND", "BATCH_TO_SPACE_ND", "IDENTITY", "CAST",
})  # fmt: skip
"""Operators that compute nothing: what they give tells no more than what they take."""
_ENDS = frozenset({"SOFTMAX", "LOG_SOFTMAX", "LOGISTIC", "ARG_MAX", "TOPK_V2"}) | _MOVES
"""Operators between a classifier's logits and the output."""
_POOLS = frozenset({"MEAN", "AVERAGE_POOL_2D", "MAX_POOL_2D", "REDUCE_MAX"})
_LEAST_VALUES = 2


@dataclass(frozen=True)
class ExitPoint:
    """A tensor that a head can read."""

    tensor: Tensor
    op: str
    """The operator that computes it."""
    macs: int
    """Multiply-accumulates up to it."""

    @property
    def name(self) -> str:
        """Name for people: of an operator that others were fused into, its own."""
        return self.tensor.name.partition(";")[0]

    @property
    def channels(self) -> int:
        """Of a map, or values of a vector."""
        return self.tensor.shape[-1]

    @property
    def handed_bytes(self) -> int:
        """Size of the tensor, which the next stage reads."""
        return self.tensor.elements * np.dtype(self.tensor.dtype).itemsize

    @property
    def pooled(self) -> bool:
        """Whether there is a plane to pool over."""
        return len(self.tensor.shape) == 4 and max(self.tensor.shape[1:3]) > 1


@dataclass(frozen=True)
class ExitPoints:
    """All points of a net."""

    early: tuple[ExitPoint, ...]
    """Ends of blocks, first to last."""
    last: ExitPoint
    """What the net's own classifier reads; for a net without one, its output."""
    blocked: tuple[str, ...]
    """What lies between and cannot be cut at, with the reason, a line each."""
    macs: int
    """Of the whole net, its own classifier included."""


def find_exit_points(graph: Graph) -> ExitPoints:
    """Find the points of a net with one input and one output.

    Raises:
        AdaptError: there is no tensor that a head can read.
    """
    done = _macs_until(graph)
    end = _classifier(graph)
    alone = [i for i in range(end) if _crossing(graph, i) == 1]
    found = [
        ExitPoint(graph.result(graph.nodes[i]), graph.nodes[i].op, done[i])
        for i in alone
        if _is_point(graph, i)
    ]
    known = {point.tensor.index for point in found}
    points = [p for p in found if _ends_a_block(graph, p, known)]
    last = found[-1] if found else None
    if last is None:
        reasons = "; ".join(_blocked(graph, end)) or "it computes nothing before its classifier"
        raise AdaptError(f"the net has no tensor that a head could read: {reasons}")
    early = tuple(p for p in points if p.macs < last.macs)
    return ExitPoints(early, last, tuple(_blocked(graph, end)), done[-1])


def named_points(graph: Graph, points: ExitPoints, names: Sequence[str]) -> list[ExitPoint]:
    """Return points by the name of their tensor, or by their number in `ExitPoints.early`.

    Any tensor will do at which the net can be cut, also inside a residual block.

    Raises:
        AdaptError: there is no such point, the net cannot be cut there, or two are one.
    """
    found = {point.tensor.index: point for point in (_named(graph, points, n) for n in names)}
    if len(found) < len(names):
        raise AdaptError(f"--at names a tensor twice: {', '.join(names)}")
    return sorted(found.values(), key=lambda point: point.macs)


def _named(graph: Graph, points: ExitPoints, name: str) -> ExitPoint:
    computed = {
        given: (t, node)
        for t, node in graph.producers().items()
        for given in (graph.tensors[t].name.partition(";")[0], graph.tensors[t].name)
    }
    if name not in computed and name.isdecimal() and 1 <= int(name) <= len(points.early):
        return points.early[int(name) - 1]
    if name not in computed:
        raise AdaptError(
            f"--at {name}: the net computes no such tensor; --list shows those that it can be cut "
            f"at, 1 to {len(points.early)} or by name"
        )
    index, node = computed[name]
    if index == points.last.tensor.index:
        raise AdaptError(
            f"--at {name}: that is where the last exit is anyway; name tensors before it"
        )
    tensor, op = graph.tensors[index], graph.nodes[node].op
    reason = unreadable(tensor)
    if reason is None and tensor.shape[-1] < _LEAST_VALUES:
        reason = "has one channel"
    if reason is None:
        reason = _uncuttable(graph, tensor.name, points)
    if reason is not None:
        raise AdaptError(f"--at {name}, of {op}: {reason}; --list shows where the net can be cut")
    return ExitPoint(tensor, op, _macs_until(graph)[node])


def _uncuttable(graph: Graph, name: str, points: ExitPoints) -> str | None:
    try:
        cut(pack(graph.tree), [name, points.last.tensor.name])
    except CutError as error:
        return str(error)
    return None


def _macs_until(graph: Graph) -> list[int]:
    return [int(m) for m in np.cumsum([node_macs(graph, node) for node in graph.nodes])]


def _classifier(graph: Graph) -> int:
    """Return the index of the node that makes logits of features; behind all without one."""
    producers = graph.producers()
    tensor = graph.tensors[graph.outputs[0]]
    for _ in graph.nodes:  # a damaged file may go in circles
        at = producers.get(tensor.index)
        if at is None or graph.nodes[at].op not in _ENDS:
            break
        tensor = graph.operand(graph.nodes[at], 0)
    at = producers.get(tensor.index)
    flat = tensor.elements == max(tensor.shape, default=0)
    dense = at is not None and node_macs(graph, graph.nodes[at]) > 0
    return at if at is not None and flat and dense else len(graph.nodes)


def _crossing(graph: Graph, node: int) -> int:
    """Return how many tensors later nodes need of what is known once a node has run."""
    known = set(graph.inputs) | {t for n in graph.nodes[: node + 1] for t in n.outputs}
    later = {t for n in graph.nodes[node + 1 :] for t in n.inputs} | set(graph.outputs)
    return len(known & later)


def _is_point(graph: Graph, index: int) -> bool:
    node = graph.nodes[index]
    tensor = graph.result(node)
    return (
        node.op not in _MOVES
        and unreadable(tensor) is None
        and tensor.shape[-1] >= _LEAST_VALUES
        and not (node.op in _POOLS and tensor.elements == tensor.shape[-1])
    )


def _ends_a_block(graph: Graph, point: ExitPoint, known: set[int]) -> bool:
    """Tell whether a block ends here: not inside a separable one, nor before its cheap end."""
    readers = _readers(graph, point.tensor.index)
    if point.op == "DEPTHWISE_CONV_2D":
        return False
    if len(readers) != 1:
        return True
    [after] = readers
    cheap = node_macs(graph, after) == 0 and graph.result(after).index in known
    return not cheap and not _is_expansion(graph, point, after)


def _is_expansion(graph: Graph, point: ExitPoint, after: Node) -> bool:
    """Tell whether a map is the wide inside of an inverted residual: it is narrowed again."""
    if after.op != "DEPTHWISE_CONV_2D":
        return False
    narrower = _readers(graph, graph.result(after).index)
    return len(narrower) == 1 and graph.result(narrower[0]).shape[-1] < point.channels


def _readers(graph: Graph, tensor: int) -> list[Node]:
    return [node for node in graph.nodes if tensor in node.inputs]


def _blocked(graph: Graph, end: int) -> Iterator[str]:
    """Yield what cannot be cut at: operators inside blocks, and tensors that no head reads."""
    inside: Counter[str] = Counter()
    for index, node in enumerate(graph.nodes[:end]):
        tensor = graph.result(node)
        why = unreadable(tensor)
        if why is not None and node.op not in _MOVES:
            yield f"{node.custom or node.op}: {tensor.name} {why}"
        elif _crossing(graph, index) > 1 and node.op not in _MOVES:
            inside[node.op] += 1
    for op, count in inside.items():
        yield f"{op}: {count} inside a block, where more than one tensor is needed later"


def description(point: ExitPoint, whole: int) -> dict[str, Any]:
    """Return a point for JSON; `whole` is the net's MACs."""
    return {
        "name": point.name,
        "tensor": point.tensor.name,
        "op": point.op,
        "shape": list(point.tensor.shape),
        "dtype": point.tensor.dtype,
        "macs": point.macs,
        "macs_percent": 100 * point.macs / max(whole, 1),
        "handed_bytes": point.handed_bytes,
    }
