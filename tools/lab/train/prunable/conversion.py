"""From the float nets of a family to one int8 file and the parameters of its ratios.

The converter multiplies a normalisation into the convolution before it, so the full file's weight
of output channel o is w[o] g[o], g = gamma / sqrt(variance + epsilon). A ratio with g' in place of
g has the same integers at the scale s'[o] = s[o] |g'[o] / g[o]|, negated where the quotient is
negative. Its activation ranges and its float biases are read from its own conversion, whose graph
has the same operators: exit by exit, in the same order.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from edge_infer.lab.train.dataset import Splits
from edge_infer.lab.train.errors import TrainError
from edge_infer.lab.train.pipeline import calibration_images, quantise
from edge_infer.lab.train.recipe import Recipe
from edge_infer.models_tflite.flatbuffer import unpack
from edge_infer.models_tflite.graph import NO_TENSOR, Graph, Node, Tensor
from edge_infer.models_tflite.manifest import FULL_RATIO
from edge_infer.models_tflite.prunable import (
    ChannelGroups,
    RatioParameters,
    follow_channels,
    own_constants,
)

_LIKE = 0.05
"""Relative distance below which int8 weights are a float kernel's: rounding alone gives 0.01."""


@dataclass(frozen=True)
class Converted:
    """A family, quantised."""

    model: bytes
    """Full-width int8 file, every exit an output that its signature names."""
    ratios: tuple[RatioParameters, ...]
    own: Mapping[str, bytes]
    """Each ratio converted by itself: int8 weights of its own."""


def convert(recipe: Recipe, splits: Splits, nets: Mapping[str, Any], work: Path) -> Converted:
    """Quantise every ratio and derive what the one file needs to know of each.

    Args:
        recipe: whose exits name the outputs.
        splits: activation ranges come from images of the training side.
        nets: float32 nets by ratio, the full one first.
        work: keeps the conversions; those that are there are taken.
    """
    exits = [part.name for part in recipe.exits]
    frames = calibration_images(splits.train, recipe.data.peak, recipe.training.seed)
    own = {
        name: _converted(work / f"{name}.tflite", net, exits, frames) for name, net in nets.items()
    }
    model = own_constants(own[FULL_RATIO])
    full = nets[FULL_RATIO]
    ratios = tuple(
        ratio_parameters(model, full, own[name], net, name, exits)
        for name, net in nets.items()
        if name != FULL_RATIO
    )
    return Converted(model, ratios, own)


def _converted(path: Path, net: Any, exits: Sequence[str], frames: Sequence[Any]) -> bytes:
    if not path.exists():
        path.write_bytes(quantise(net, exits, frames))
    return path.read_bytes()


def ratio_parameters(
    model: bytes,
    full: keras.Model,
    converted: bytes,
    net: keras.Model,
    name: str,
    exits: Sequence[str],
) -> RatioParameters:
    """Return the parameters of one ratio.

    Args:
        model: full-width int8 file, as `own_constants` returns it.
        full: the float32 net that it was converted from.
        converted: the ratio's own int8 file.
        net: the float32 net that this was converted from.
        name: of the ratio.
        exits: names of the outputs in both signatures.

    Raises:
        TrainError: the two files do not have the same operators, or the weights of one are not
            those of the net.
    """
    whole, part = _Weights(model), _Weights(converted)
    pairs = _pairs(whole.graph, part.graph, exits)
    keep = _kept(follow_channels(model), whole, part, pairs)
    quantisation: dict[str, tuple[NDArray[np.float32], NDArray[np.int64]]] = {}
    signs: dict[str, NDArray[np.int8]] = {}
    biases: dict[str, NDArray[np.int32]] = {}
    scales = _quotients(whole, full, net)
    for mine, theirs in pairs:
        for index, like in ((0, mine.inputs[0]), *((-1, out) for out in mine.outputs)):
            other = theirs.inputs[0] if index == 0 else theirs.outputs[0]
            quantisation[whole.name(like)] = _quantisation(part.graph.tensors[other])
        if mine.op not in ("CONV_2D", "FULLY_CONNECTED"):
            continue
        weights, bias = (whole.graph.tensors[i] for i in mine.inputs[1:3])
        channels = part.graph.tensors[theirs.inputs[1]].shape[0]
        scale = np.asarray(weights.scales, np.float64)
        if mine.op == "CONV_2D":
            quotient = scales[weights.name][:channels]
            scale = scale[:channels] * np.abs(quotient)
            signs[weights.name] = np.where(quotient < 0, -1, 1).astype(np.int8)
            zeros = np.zeros(len(scale), np.int64)
            quantisation[weights.name] = (scale.astype(np.float32), zeros)
        unit = part.graph.tensors[theirs.inputs[0]].scale * scale.astype(np.float32)
        rounded = np.rint(part.bias(theirs) / unit)
        biases[bias.name] = np.clip(rounded, -(2**31), 2**31 - 1).astype(np.int32)
    return RatioParameters(name, keep, quantisation, signs, biases)


class _Weights:
    """A graph and its constants as real values."""

    def __init__(self, model: bytes) -> None:
        self.graph = Graph(model)
        tree = unpack(model)
        self._buffers, self._tensors = tree.buffers, tree.subgraphs[0].tensors

    def name(self, index: int) -> str:
        """Name of a tensor."""
        return self.graph.tensors[index].name

    def real(self, index: int) -> NDArray[np.float64]:
        """Real values of a constant, quantised by its first axis or as a whole."""
        tensor = self.graph.tensors[index]
        raw = bytes(self._buffers[self._tensors[index].buffer].data)
        values = np.frombuffer(raw, np.dtype(tensor.dtype)).reshape(tensor.shape)
        scales = np.asarray(tensor.scales).reshape(-1, *[1] * (len(tensor.shape) - 1))
        return np.asarray(values * scales, np.float64)

    def bias(self, node: Node) -> NDArray[np.float64]:
        """Real biases of a node."""
        if len(node.inputs) < 3 or node.inputs[2] == NO_TENSOR:
            raise TrainError(f"{node.op} has no bias in one of the converted files")
        tensor = self.graph.tensors[node.inputs[2]]
        raw = bytes(self._buffers[self._tensors[node.inputs[2]].buffer].data)
        source = self.graph.tensors[node.inputs[0]].scale
        weights = np.asarray(self.graph.tensors[node.inputs[1]].scales)
        return np.asarray(np.frombuffer(raw, np.dtype(tensor.dtype)) * source * weights, np.float64)


def _pairs(whole: Graph, part: Graph, exits: Sequence[str]) -> list[tuple[Node, Node]]:
    one, other = (list(_by_exit(graph, exits)) for graph in (whole, part))
    if [node.op for node in one] != [node.op for node in other]:
        raise TrainError("two widths of the net were converted to different operators")
    return list(zip(one, other, strict=True))


def _by_exit(graph: Graph, exits: Sequence[str]) -> Iterator[Node]:
    """Yield what each exit needs and none before it; the converter orders branches at will."""
    outputs, producers = graph.output_names(), graph.producers()
    done: set[int] = set()
    for name in exits:
        needed: set[int] = set()
        open_tensors = [outputs[name]]
        while open_tensors:
            node = producers.get(open_tensors.pop())
            if node is not None and node not in needed | done:
                needed.add(node)
                open_tensors += graph.nodes[node].inputs
        yield from (graph.nodes[node] for node in sorted(needed))
        done |= needed


def _quantisation(tensor: Tensor) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    return np.array(tensor.scales, np.float32), np.array(tensor.zero_points, np.int64)


def _kept(
    channels: ChannelGroups, whole: _Weights, part: _Weights, pairs: Sequence[tuple[Node, Node]]
) -> dict[str, int]:
    """Channels of each group, read off the constants of the narrower file."""
    shapes = {
        whole.name(mine): part.graph.tensors[theirs].shape
        for one, other in pairs
        for mine, theirs in zip(one.inputs, other.inputs, strict=True)
        if mine != NO_TENSOR
    }
    keep = {}
    for (name, dimension), axis in channels.axes.items():
        if len(axis.segments) == 1 and axis.tile == axis.segments[0].repeat == 1 and name in shapes:
            group = channels.groups[axis.segments[0].group]
            if not group.frozen:
                keep[group.key] = shapes[name][dimension]
    return keep


def _quotients(
    whole: _Weights, full: keras.Model, net: keras.Model
) -> dict[str, NDArray[np.float64]]:
    """Return g' / g of the channels that stay, by the name of a convolution's weights."""
    layers = _folded(full), _folded(net)
    found = {}
    for node in whole.graph.nodes:
        if node.op != "CONV_2D":
            continue
        weights = whole.real(node.inputs[1])
        distances = [_distance(weights, kernel * factor) for kernel, factor in layers[0]]
        nearest = int(np.argmin(distances))
        if distances[nearest] > _LIKE:
            raise TrainError(f"{whole.name(node.inputs[1])} is no kernel of the net: {distances}")
        full_factor, factor = layers[0][nearest][1], layers[1][nearest][1]
        if np.abs(full_factor).min() < 1e-6:
            raise TrainError("a channel's normalisation is zero: lower the mask's penalty")
        found[whole.name(node.inputs[1])] = factor / full_factor[: len(factor)]
    return found


def _distance(weights: NDArray[np.float64], kernel: NDArray[np.float64]) -> float:
    laid_out = kernel.transpose(3, 0, 1, 2)
    if laid_out.shape != weights.shape:
        return float("inf")
    return float(np.linalg.norm(weights - laid_out) / np.linalg.norm(weights))


def _folded(net: keras.Model) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Kernel and g of every convolution, in the net's order."""
    norms: dict[int, Any] = {
        id(layer.input): layer
        for layer in net.layers
        if isinstance(layer, keras.layers.BatchNormalization)
    }
    found = []
    for layer in net.layers:
        if isinstance(layer, keras.layers.Conv2D):
            norm = norms[id(layer.output)]
            gamma, variance = (v.numpy().astype(float) for v in (norm.gamma, norm.moving_variance))
            kernel = layer.get_weights()[0].astype(float)
            found.append((kernel, gamma / np.sqrt(variance + norm.epsilon)))
    return found
