"""The inverse of a cut: one model with every exit head as an output, out of a bundle's stages."""

from typing import Any

import numpy as np

from edge_infer.models_tflite.bundle import Bundle
from edge_infer.models_tflite.flatbuffer import pack, unpack


def joined_model(bundle: Bundle) -> bytes:
    """Return the stages of a bundle as one model with one input; outputs in stage order."""
    stages = bundle.manifest.stages
    whole = unpack(bundle.stage_model(0))
    graph = whole.subgraphs[0]
    frame = graph.inputs[0]
    places = {int(index): int(index) for index in range(len(graph.tensors))}
    heads, handed = _outputs(stages[0], graph, places)
    outputs = [heads]
    for index, stage in enumerate(stages[1:], start=1):
        part = unpack(bundle.stage_model(index))
        given = [frame] if stage.input.reads == "frame" else handed
        places = _append(whole, part, given)
        head, handed = _outputs(stage, part.subgraphs[0], places)
        outputs.append(head)
    graph.outputs = np.array(outputs, np.int32)
    return pack(whole)


def _outputs(stage: Any, graph: Any, places: dict[int, int]) -> tuple[int, list[int]]:
    tensors = [places[int(index)] for index in graph.outputs]
    return tensors[stage.scores.output], [tensors[index] for index in stage.features]


def _append(whole: Any, part: Any, given: list[int]) -> dict[int, int]:
    """Add the graph of `part` to `whole`; its inputs are the tensors `given`."""
    graph, added = whole.subgraphs[0], part.subgraphs[0]
    places = {int(index): int(to) for index, to in zip(added.inputs, given, strict=True)}
    for index, tensor in enumerate(added.tensors):
        if index not in places:
            places[index] = len(graph.tensors)
            tensor.buffer += len(whole.buffers)
            graph.tensors.append(tensor)
    for operator in added.operators:
        operator.opcodeIndex += len(whole.operatorCodes)
        for field in ("inputs", "outputs"):
            moved = [places.get(int(index), -1) for index in getattr(operator, field)]
            setattr(operator, field, np.array(moved, np.int32))
        graph.operators.append(operator)
    whole.buffers += part.buffers
    whole.operatorCodes += part.operatorCodes
    return places
