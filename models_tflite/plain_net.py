"""The plain net of an adaptive bundle: one exit alone, in one model, without earlier heads."""

from typing import Any

import numpy as np

from edge_infer.models_tflite.bundle import Bundle
from edge_infer.models_tflite.cut import cut
from edge_infer.models_tflite.describe import StageDraft
from edge_infer.models_tflite.errors import ModelError
from edge_infer.models_tflite.flatbuffer import pack, unpack
from edge_infer.models_tflite.graph import NO_TENSOR, Graph
from edge_infer.models_tflite.manifest import FULL_RATIO
from edge_infer.models_tflite.stage_spec import Stage

PLAIN = "net"
"""Name of the one stage."""


def plain_net(bundle: Bundle, ratio: str = FULL_RATIO, leaving: int = -1) -> StageDraft:
    """Return the net that a bundle's exits are there to spare, as one stage.

    The stages from the last one that reads the frame are joined to one graph again, and what only
    earlier exit heads need is dropped. Bit-exact against the stages.

    Args:
        bundle: an open bundle.
        ratio: one of its ratios.
        leaving: index of the exit that is left alone; the last by default.

    Raises:
        UnknownRatioError: the bundle has no such ratio.
        ModelError: a stage is not as the manifest says.
    """
    stages = bundle.manifest.stages
    stages = stages[: range(len(stages))[leaving] + 1]
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
        outputs = _append(whole, unpack(model), _picked(outputs, before.features, before))
    head = _picked(outputs, (stages[-1].scores.output,), stages[-1])
    graph.outputs = np.array(head, np.int32)
    whole.signatureDefs = None  # they name outputs that are gone
    return pack(whole)


def _picked(outputs: list[int], positions: tuple[int, ...], stage: Stage) -> list[int]:
    if max(positions, default=0) >= len(outputs):
        raise ModelError(
            f"stage {stage.name}: the manifest wants output {max(positions)}, the model has "
            f"{len(outputs)}"
        )
    return [outputs[position] for position in positions]


def _append(whole: Any, part: Any, given: list[int]) -> list[int]:
    """Add a part that reads the tensors `given`; return where its outputs are in the whole."""
    graph, added = whole.subgraphs[0], part.subgraphs[0]
    if len(added.inputs) != len(given):
        raise ModelError(
            f"a stage takes {len(added.inputs)} features, the one before hands on {len(given)}"
        )
    places = {NO_TENSOR: NO_TENSOR} | dict(zip(map(int, added.inputs), given, strict=True))
    for index, tensor in enumerate(added.tensors):
        if index not in places:
            places[index] = len(graph.tensors)
            tensor.buffer += len(whole.buffers)
            graph.tensors.append(tensor)
    for operator in added.operators:
        operator.opcodeIndex += len(whole.operatorCodes)
        for field in ("inputs", "outputs", "intermediates"):
            moved = [places[int(index)] for index in getattr(operator, field)]
            setattr(operator, field, np.array(moved, np.int32))
        graph.operators.append(operator)
    whole.buffers += part.buffers
    whole.operatorCodes += part.operatorCodes
    return [places[int(index)] for index in added.outputs]
