"""Which channels of a model must be cut together, and where they lie.

Each operator gets its own constants first, so that each can be cut without touching another's.
"""

import copy
from collections import Counter
from typing import Any

from edge_infer.models_tflite.flatbuffer import pack, text, unpack
from edge_infer.models_tflite.graph import NO_TENSOR, Graph
from edge_infer.models_tflite.prunable.atoms import Atoms, Blocks
from edge_infer.models_tflite.prunable.channels import Axis, ChannelGroups, Group
from edge_infer.models_tflite.prunable.walk import ChannelWalk

_Place = tuple[int, int]
"""Tensor and dimension."""


def own_constants(model: bytes) -> bytes:
    """Return a model whose constants have one consumer, one buffer and one name each.

    Converters store equal constants once. The first consumer keeps tensor and name, the others get
    copies named `NAME#2`, `NAME#3`; a name that several tensors carry is made unique likewise. A
    model that is so already comes back as it is.

    Raises:
        ModelError: the bytes are no TFLite model.
    """
    tree = unpack(model)
    changed = [_own_tensors(tree, graph) for graph in tree.subgraphs]
    changed += [_own_names(graph) for graph in tree.subgraphs]
    changed.append(_own_buffers(tree))
    return pack(tree) if any(changed) else model


def _own_tensors(tree: Any, graph: Any) -> bool:
    used: Counter[int] = Counter()
    changed = False
    for operator in graph.operators:
        for position, index in enumerate(operator.inputs):
            if index == NO_TENSOR or not _is_constant(tree, graph.tensors[index]):
                continue
            used[int(index)] += 1
            if used[int(index)] > 1:
                twin = copy.copy(graph.tensors[index])
                twin.name = _text(twin.name) + f"#{used[int(index)]}"
                operator.inputs = operator.inputs.copy()
                operator.inputs[position] = len(graph.tensors)
                graph.tensors.append(twin)
                changed = True
    return changed


def _own_names(graph: Any) -> bool:
    seen: set[str] = set()
    changed = False
    for tensor in graph.tensors:
        name, number = _text(tensor.name), 1
        while text(name) in seen:  # as `Graph` names it
            number += 1
            name = f"{_text(tensor.name)}#{number}"
        if number > 1:
            tensor.name, changed = name, True
        seen.add(text(name))
    return changed


def _own_buffers(tree: Any) -> bool:
    owners = [tensor for graph in tree.subgraphs for tensor in graph.tensors]
    owners += tree.metadata
    seen: set[int] = set()
    changed = False
    for owner in owners:
        buffer = tree.buffers[owner.buffer]
        if owner.buffer in seen and len(buffer.data):
            owner.buffer, changed = len(tree.buffers), True
            tree.buffers.append(copy.copy(buffer))
        seen.add(owner.buffer)
    return changed


def _is_constant(tree: Any, tensor: Any) -> bool:
    return len(tree.buffers[tensor.buffer].data) > 0


def _text(name: bytes | str) -> str:
    return name.decode(errors="replace") if isinstance(name, bytes) else name


def follow_channels(model: bytes) -> ChannelGroups:
    """Return the groups of channels of a model.

    Inputs and outputs of the model are never cut, nor channels that an operator needs whole: every
    operator without a rule does, and its name is the reason.

    Args:
        model: a .tflite file of the whole net, all exits, before it is cut into stages.

    Raises:
        ModelError: the bytes are no TFLite model.
        ModelNotSupportedError: the model has several subgraphs.
    """
    graph = Graph(own_constants(model))
    walk = ChannelWalk(graph)
    roots = {place: walk.atoms.roots(labels) for place, labels in _places(graph, walk).items()}
    blocks = Blocks(walk.atoms, list(roots.values()))
    keys = _keys(graph, walk, blocks, roots)
    groups = tuple(
        Group(key, len(members), walk.atoms.reason(members[0]))
        for key, members in zip(keys, blocks.members, strict=True)
    )
    axes = {
        (graph.tensors[index].name, dimension): blocks.axis(row)
        for (index, dimension), row in roots.items()
    }
    written = {
        place: (blocks.axis(walk.atoms.roots(labels)), own)
        for place, (labels, own) in walk.shapes.items()
    }
    return ChannelGroups(
        groups=groups,
        axes=_changing(groups, axes),
        shape_constants=_changing(groups, {p: a for p, (a, own) in written.items() if not own}),
        reshapes=_changing(groups, {p: a for p, (a, own) in written.items() if own}),
    )


def _places(graph: Graph, walk: ChannelWalk) -> dict[_Place, Atoms]:
    """Return the channels along every dimension that has any; scalars have none."""
    computed = {
        (index, len(graph.tensors[index].shape) - 1): labels
        for index, labels in walk.labels.items()
        if graph.tensors[index].shape
    }
    return computed | walk.cuts


def _changing(
    groups: tuple[Group, ...], axes: dict[tuple[str, int], Axis]
) -> dict[tuple[str, int], Axis]:
    """Return the axes that a ratio can shorten."""
    return {
        place: axis
        for place, axis in axes.items()
        if any(not groups[segment.group].frozen for segment in axis.segments)
    }


def _keys(graph: Graph, walk: ChannelWalk, blocks: Blocks, roots: dict[_Place, Atoms]) -> list[str]:
    """Return the key of each block: the first constant that makes it, else the first tensor."""
    first: dict[int, tuple[int, int, int]] = {}
    for index, dimension in (*walk.made, *roots):
        for position, atom in enumerate(roots[index, dimension].tolist()):
            first.setdefault(atom, (index, dimension, position))
    keys = []
    for members in blocks.members:
        index, dimension, start = first[members[0]]
        name, whole = graph.tensors[index].name, len(roots[index, dimension])
        part = "" if len(members) == whole else f"[{start}:{start + len(members)}]"
        keys.append(name + part)
    return keys
