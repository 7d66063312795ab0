"""Parameters of a ratio as training would hand them over, drawn at random."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_infer.models_tflite.graph import NO_TENSOR, Graph, Tensor
from edge_infer.models_tflite.prunable import (
    ChannelGroups,
    RatioParameters,
    follow_channels,
    own_constants,
)

LAYERS = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 0}
"""Dimension of the output channels in the weights."""


def keep_of(channels: ChannelGroups, share: float) -> dict[str, int]:
    """Keep a share of every group's channels, at least one."""
    return {group.key: max(1, round(group.size * share)) for group in channels.open}


def random_ratio(
    model: bytes, name: str, seed: int = 0, keep: Mapping[str, int] | None = None
) -> RatioParameters:
    """Scales, signs and biases of an int8 model, all moved a little.

    `keep` has the channels of each group; without it all keep the share that `name` says.
    """
    own = own_constants(model)
    graph, channels, random = Graph(own), follow_channels(own), np.random.default_rng(seed)
    keep = keep_of(channels, float(name)) if keep is None else keep
    counts = channels.counts(keep)
    quantisation: dict[str, Any] = {}
    signs, biases = {}, {}
    for tensor in _free(graph):
        if tensor.dtype == "int8" and not tensor.constant:
            given = tensor.index in graph.inputs
            moved = 0 if given else random.integers(-3, 4)
            scale = np.float32(tensor.scale * (1 if given else random.uniform(0.8, 1.2)))
            zero_point = int(np.clip(tensor.zero_point + moved, -128, 127))
            quantisation[tensor.name] = np.array([scale]), np.array([zero_point])
    for _ in graph.nodes:  # until it has spread: these operators move values as they are
        for names in _tied(graph):
            quantisation |= {name: quantisation[names[0]] for name in names}
    for index in graph.inputs:
        del quantisation[graph.tensors[index].name]
    for node in graph.nodes:
        if node.op not in LAYERS:
            continue
        weights = graph.operand(node, 1)
        axis = channels.axes.get((weights.name, LAYERS[node.op]))
        kept = axis.kept(channels.sizes, counts) if axis else np.arange(_outputs(node.op, weights))
        scales = np.array(weights.scales, np.float32)
        scales = scales[kept] if len(scales) > 1 else scales
        scales = (scales * random.uniform(0.6, 1.5, len(scales))).astype(np.float32)
        quantisation[weights.name] = scales, np.zeros(len(scales), np.int64)
        signs[weights.name] = np.where(random.random(len(scales)) < 0.2, -1, 1).astype(np.int8)
        if len(node.inputs) > 2 and node.inputs[2] != NO_TENSOR:
            bias = graph.operand(node, 2)
            values = constant(graph, bias)[kept]
            biases[bias.name] = (values * random.uniform(0.5, 1.5, len(kept))).astype(np.int32)
    return RatioParameters(name, keep, quantisation, signs, biases)


def constant(graph: Graph, tensor: Tensor) -> NDArray[np.int32]:
    """Return the values of an int32 constant."""
    raw = graph.tree.subgraphs[0].tensors[tensor.index]
    return np.frombuffer(bytes(graph.tree.buffers[raw.buffer].data), np.int32)


def _outputs(op: str, weights: Tensor) -> int:
    return weights.shape[LAYERS[op]]


def _free(graph: Graph) -> list[Tensor]:
    """Return activations but those whose scale the kernels prescribe."""
    fixed = {n.outputs[0] for n in graph.nodes if n.op in ("LOGISTIC", "SOFTMAX")}
    return [tensor for tensor in graph.tensors if tensor.index not in fixed]


def _tied(graph: Graph) -> list[list[str]]:
    """Return tensors that have one scale: what sets it comes first."""
    moving = ("MAX_POOL_2D", "AVERAGE_POOL_2D", "RESHAPE", "PAD", "CONCATENATION")
    ties = [[*node.inputs, *node.outputs] for node in graph.nodes if node.op in moving]
    return [
        [graph.tensors[index].name for index in tie if not graph.tensors[index].constant]
        for tie in ties
    ]
