"""The plain net of an adaptive bundle: its last exit alone, in one model, without earlier heads."""

from typing import Any

import numpy as np

from edge_infer.models_tflite.bundle import Bundle
from edge_infer.models_tflite.cut import cut
from edge_infer.models_tflite.describe import StageDraft
from edge_infer.models_tflite.flatbuffer import pack, unpack
from edge_infer.models_tflite.graph import Graph
from edge_infer.models_tflite.ratio_spec import FULL_RATIO
from edge_infer.models_tflite.stage_spec import Stage

PLAIN = "net"
"""Name of the one stage."""


def plain_net(bundle: Bundle, ratio: str = FULL_RATIO) -> StageDraft:
    """Return the net that a bundle's exits are there to spare, as one stage.

    The stages from the last one that reads the frame are joined to one graph again, and what only
    earlier exit heads need is dropped. Bit-exact against the stages.

    Raises:
        UnknownRatioError: the bundle has no such ratio.
    """
    stages = bundle.manifest.stages
    first = max(i for i, stage in enumerate(stages) if stage.input.reads == "frame")
    models = [bundle.stage_model(index, ratio) for index in range(first, len(stages))]
    model = _joined(models, stages[first:])
    head = Graph(model).tensors[Graph(model).outputs[0]].name
    [whole] = cut(model, [head])
    return StageDraft(
        name=PLAIN,
        model=whole.model,
        preprocess=stages[first].input.preprocess,
        label_offset=stages[-1].scores.label_offset,
    )


def _joined(models: list[bytes], stages: tuple[Stage, ...]) -> bytes:
    """Return one model whose only output is the last stage's head."""
    whole = unpack(models[0])
    graph = whole.subgraphs[0]
    outputs = [int(index) for index in graph.outputs]
    for before, model in zip(stages, models[1:], strict=False):
        outputs = _append(whole, unpack(model), [outputs[index] for index in before.features])
    graph.outputs = np.array([outputs[stages[-1].scores.output]], np.int32)
    whole.signatureDefs = None  # they name outputs that are gone
    return pack(whole)


def _append(whole: Any, part: Any, given: list[int]) -> list[int]:
    """Add a part that reads the tensors `given`; return where its outputs are in the whole."""
    graph, added = whole.subgraphs[0], part.subgraphs[0]
    places = {-1: -1} | dict(zip(map(int, added.inputs), given, strict=True))
    for index, tensor in enumerate(added.tensors):
        if index not in places:
            places[index] = len(graph.tensors)
            tensor.buffer += len(whole.buffers)
            graph.tensors.append(tensor)
    for operator in added.operators:
        operator.opcodeIndex += len(whole.operatorCodes)
        for field in ("inputs", "outputs", "intermediates"):
            vector = getattr(operator, field)
            if vector is not None:
                setattr(operator, field, np.array([places[int(i)] for i in vector], np.int32))
        graph.operators.append(operator)
    whole.buffers += part.buffers
    whole.operatorCodes += part.operatorCodes
    return [places[int(index)] for index in added.outputs]
