"""Cut one quantised model at its exits into stages, by editing the flatbuffer.

Stages are bit-exact against the whole: nothing is quantised again, features cross a boundary as
the raw tensors they are. Every tensor that is still needed later crosses, so skip connections may
span a cut; one that only a later stage needs passes through the stages between (an output that is
also an input).
"""

import copy
import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from edge_infer.models_tflite.errors import CutError
from edge_infer.models_tflite.flatbuffer import pack
from edge_infer.models_tflite.graph import NO_TENSOR, Graph
from edge_infer.models_tflite.stage_spec import Dtype
from edge_infer.models_tflite.tensors import outputs_text


@dataclass(frozen=True, slots=True)
class CutStage:
    """One piece of the model, up to and including an exit head."""

    exit: str
    """The name it was cut at."""
    model: bytes
    """A .tflite file; its output 0 is the exit head."""
    reads: Literal["frame", "previous"]
    features: tuple[int, ...]
    """Output indices that the next stage takes as its inputs, in order."""


def cut(model: bytes, exits: Sequence[str]) -> list[CutStage]:
    """Cut a model into one stage per exit.

    Args:
        model: a .tflite file with one input and one subgraph.
        exits: names of the exit heads, first to last: signature output names, output tensor
            names, or names of tensors inside the graph. What none of them needs is dropped.

    Raises:
        CutError: a name does not exist (those that do are listed), an exit needs nothing that the
            one before does not, or a tensor that crosses a cut forbids it (it is named).
        ModelError: the bytes are no TFLite model.
        ModelNotSupportedError: the model has several subgraphs.
    """
    graph = Graph(model)
    if len(graph.inputs) != 1:
        raise CutError(f"the model has {len(graph.inputs)} inputs: a stage reads one frame")
    heads = [_find(graph, name) for name in exits]
    groups = _split_nodes(graph, heads, exits)
    carried = [_carried(graph, groups, stage) for stage in range(1, len(groups))]
    for boundary, tensors in enumerate(carried):
        _check_crossing(graph, tensors, f"{exits[boundary]} and {exits[boundary + 1]}")
    _check_state(graph, groups, exits)
    frame = graph.inputs
    reads_frame = [True] + [tensors == frame for tensors in carried]
    stages = []
    for index, nodes in enumerate(groups):
        inputs = frame if reads_frame[index] else carried[index - 1]
        last = index + 1 == len(groups)
        handed = [] if last or reads_frame[index + 1] else carried[index]
        outputs = list(dict.fromkeys([heads[index], *handed]))
        stages.append(
            CutStage(
                exit=exits[index],
                model=pack(_extract(graph, nodes, inputs, outputs)),
                reads="frame" if reads_frame[index] else "previous",
                features=tuple(outputs.index(tensor) for tensor in handed),
            )
        )
    return stages


def _find(graph: Graph, name: str) -> int:
    names = graph.output_names()
    alike = {index for index in graph.outputs if graph.tensors[index].name == name}
    if len(alike) > 1:
        raise CutError(
            f"{len(alike)} outputs are called {name!r}: the model has {outputs_text(graph)}; "
            "give them names of their own"
        )
    computed = {graph.tensors[index].name: index for index in graph.producers()}
    index = (computed | names).get(name)
    if index is None:
        near = difflib.get_close_matches(name, computed, n=3)
        hint = f"; inside the graph, near in name: {', '.join(near)}" if near else ""
        raise CutError(f"no output {name!r}: the model has {outputs_text(graph)}{hint}")
    return index


def _split_nodes(graph: Graph, heads: list[int], exits: Sequence[str]) -> list[list[int]]:
    """Return the nodes of each stage in execution order: what its head needs and no stage has."""
    producers = graph.producers()
    done: set[int] = set()
    groups = []
    for name, head in zip(exits, heads, strict=True):
        group = _needed(graph, producers, head) - done
        if not group:
            raise CutError(f"exit {name!r} needs nothing beyond the exits before it: reorder them")
        done |= group
        groups.append(sorted(group))
    return groups


def _needed(graph: Graph, producers: dict[int, int], tensor: int) -> set[int]:
    found: set[int] = set()
    open_tensors = [tensor]
    while open_tensors:
        node = producers.get(open_tensors.pop())
        if node is not None and node not in found:
            found.add(node)
            open_tensors += graph.nodes[node].inputs
    return found


def _carried(graph: Graph, groups: list[list[int]], stage: int) -> list[int]:
    """Return what crosses into `stage`: computed before it or given, and needed in it or later."""
    later = [graph.nodes[node] for group in groups[stage:] for node in group]
    computed_later = {tensor for node in later for tensor in node.outputs}
    needed = {tensor for node in later for tensor in node.inputs} - computed_later - {NO_TENSOR}
    return sorted(
        tensor
        for tensor in needed
        if not graph.tensors[tensor].constant and not graph.tensors[tensor].variable
    )


def _check_crossing(graph: Graph, tensors: list[int], where: str) -> None:
    for tensor in (graph.tensors[index] for index in tensors):
        what = f"the tensor {tensor.name!r} crosses between {where}"
        if tensor.dtype not in get_args(Dtype):
            raise CutError(f"{what} and is {tensor.dtype}: only int8, uint8 and float32 can cross")
        if tensor.shape[:1] != (1,) or -1 in tensor.signature[1:]:
            raise CutError(f"{what} with the shape {list(tensor.signature)}: wants [1, ...], fixed")
        if len(tensor.scales) > 1:
            raise CutError(f"{what} with {len(tensor.scales)} scales: wants one for the tensor")


def _check_state(graph: Graph, groups: list[list[int]], exits: Sequence[str]) -> None:
    owners: dict[int, int] = {}
    for stage, group in enumerate(groups):
        for tensor in {t for node in group for t in graph.nodes[node].inputs} - {NO_TENSOR}:
            if graph.tensors[tensor].variable and owners.setdefault(tensor, stage) != stage:
                raise CutError(
                    f"the variable {graph.tensors[tensor].name!r} is used up to "
                    f"{exits[owners[tensor]]} and after it: state cannot cross a cut"
                )


def _extract(graph: Graph, nodes: list[int], inputs: list[int], outputs: list[int]) -> Any:
    """Return a ModelT of some nodes; unused tensors, buffers and operator codes are left behind."""
    tree = copy.copy(graph.tree)
    subgraph = copy.copy(tree.subgraphs[0])
    operators = [copy.copy(subgraph.operators[node]) for node in nodes]
    used = {t for node in nodes for t in (*graph.nodes[node].inputs, *graph.nodes[node].outputs)}
    used |= {int(t) for operator in operators for t in operator.intermediates}
    kept = sorted((used | set(inputs) | set(outputs)) - {NO_TENSOR})
    new_index = {NO_TENSOR: NO_TENSOR} | {old: new for new, old in enumerate(kept)}
    for operator in operators:
        for field in ("inputs", "outputs", "intermediates"):
            renumbered = [new_index[int(t)] for t in getattr(operator, field)]
            setattr(operator, field, np.array(renumbered, np.int32))
    subgraph.operators = operators
    subgraph.tensors = [copy.copy(subgraph.tensors[index]) for index in kept]
    subgraph.inputs = np.array([new_index[t] for t in inputs], np.int32)
    subgraph.outputs = np.array([new_index[t] for t in outputs], np.int32)
    tree.subgraphs = [subgraph]
    tree.signatureDefs = None  # they name tensors of the whole model
    _drop_unused_codes(tree, operators)
    _drop_unused_buffers(tree, subgraph)
    return tree


def _drop_unused_codes(tree: Any, operators: list[Any]) -> None:
    kept = sorted({operator.opcodeIndex for operator in operators})
    for operator in operators:
        operator.opcodeIndex = kept.index(operator.opcodeIndex)
    tree.operatorCodes = [tree.operatorCodes[index] for index in kept]


def _drop_unused_buffers(tree: Any, subgraph: Any) -> None:
    tree.metadata = [copy.copy(entry) for entry in tree.metadata]
    owners = [*subgraph.tensors, *tree.metadata]
    kept = sorted({0, *(int(owner.buffer) for owner in owners)})  # buffer 0 is the empty one
    for owner in owners:
        owner.buffer = kept.index(int(owner.buffer))
    tree.buffers = [tree.buffers[index] for index in kept]
    tree.metadataBuffer = None  # superseded by metadata


def tap(model: bytes, tensors: Sequence[int]) -> bytes:
    """Return the part of a model that computes some tensors, which are its outputs, in order.

    Args:
        model: a .tflite file of one subgraph.
        tensors: indices of tensors that operators compute, each once.

    Raises:
        ModelError: the bytes are no TFLite model.
        ModelNotSupportedError: the model has several subgraphs.
    """
    graph = Graph(model)
    producers = graph.producers()
    nodes = set().union(*(_needed(graph, producers, tensor) for tensor in tensors))
    return pack(_extract(graph, sorted(nodes), graph.inputs, list(tensors)))
