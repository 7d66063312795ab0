"""Give every operator its own constants, so that each can be cut without touching another's."""

import copy
from collections import Counter
from typing import Any

from edge_infer.models_tflite.flatbuffer import pack, unpack
from edge_infer.models_tflite.graph import NO_TENSOR


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
        while name in seen:
            number += 1
            name = f"{_text(tensor.name)}#{number}"
        if number > 1:
            tensor.name, changed = name, True
        seen.add(name)
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
