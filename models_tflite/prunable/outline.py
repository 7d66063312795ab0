"""The layout of a file that is to be written: where a model is cut, and which layers have codes."""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from edge_infer.models_tflite.graph import NO_TENSOR, Graph, Node, Tensor
from edge_infer.models_tflite.prunable.channels import Axis, ChannelGroups, Segment
from edge_infer.models_tflite.prunable.errors import RatioParametersError
from edge_infer.models_tflite.prunable.layout import NO_BIAS, Cut, Layer, Layout
from edge_infer.models_tflite.prunable.parameters import RatioParameters

_LAYERS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
_MOST = 0xFFFF
"""Numbers of the file are 16 bits wide."""


@dataclass(frozen=True)
class Outline:
    """A model with its layout."""

    graph: Graph
    layout: Layout
    keys: tuple[str, ...]
    """Key of each group of the layout: those of the model that this file has."""

    def channel_dimension(self, tensor: int) -> int:
        """Return the dimension along which a tensor has scales."""
        raw = self.graph.tree.subgraphs[0].tensors[tensor]
        return int(raw.quantization.quantizedDimension) if raw.quantization else 0

    def axis(self, tensor: int, dimension: int) -> Axis | None:
        """Return how a dimension of a tensor is cut, None if it is not."""
        for cut in self.layout.cuts:
            if cut.owner == tensor and cut.position == dimension:
                return self.layout.axes[cut.axis]
        return None


def outline(graph: Graph, channels: ChannelGroups, ratios: Sequence[RatioParameters]) -> Outline:
    """Return where a model is cut.

    Args:
        graph: the model, a whole net or a stage of it, with its own constants.
        channels: of the whole net.
        ratios: what they give values of has codes in the file.

    Raises:
        RatioParametersError: the channels are not of this model, or ratios give different tensors.
    """
    tensors = {tensor.name: tensor for tensor in graph.tensors}
    _check_fit(tensors, channels)
    axes = _Axes(channels)
    cuts = tuple(
        Cut(tensors[name].index, dimension, axes.number(axis))
        for (name, dimension), axis in channels.axes.items()
        if name in tensors
    )
    shape_constants = tuple(
        Cut(tensors[name].index, element, axes.number(axis))
        for (name, element), axis in channels.shape_constants.items()
        if name in tensors
    )
    operators = {
        graph.tensors[n.outputs[0]].name: i for i, n in enumerate(graph.nodes) if n.outputs
    }
    reshapes = tuple(
        Cut(operators[name], element, axes.number(axis))
        for (name, element), axis in channels.reshapes.items()
        if name in operators
    )
    quantised = _names(tensors, [ratio.quantisation for ratio in ratios])
    biased = _names(tensors, [ratio.biases for ratio in ratios])
    layers = tuple(_layers(graph, quantised, biased))
    weights = {graph.tensors[layer.weights].name for layer in layers}
    layout = Layout(
        sizes=tuple(channels.groups[group].size for group in axes.groups),
        axes=axes.renumbered(),
        cuts=cuts,
        shape_constants=shape_constants,
        reshapes=reshapes,
        activations=tuple(
            _activation(tensors[name]) for name in sorted(quantised - weights)
        ),
        layers=layers,
    )  # fmt: skip
    if max(len(graph.tensors), len(graph.nodes), *layout.sizes, *_numbers(layout.axes)) >= _MOST:
        raise RatioParametersError(f"the model has more than {_MOST - 1} channels or tensors")
    return Outline(graph, layout, tuple(channels.groups[group].key for group in axes.groups))


class _Axes:
    """Axes of a file, each once, and the groups that they are made of."""

    def __init__(self, channels: ChannelGroups) -> None:
        self._numbers: dict[Axis, int] = {}
        self.groups: dict[int, int] = {}
        """Number in the file by number in the whole net."""
        self._channels = channels

    def number(self, axis: Axis) -> int:
        for group, _ in axis.segments:
            self.groups.setdefault(group, len(self.groups))
        return self._numbers.setdefault(axis, len(self._numbers))

    def renumbered(self) -> tuple[Axis, ...]:
        return tuple(
            Axis(tuple(Segment(self.groups[s.group], s.repeat) for s in axis.segments), axis.tile)
            for axis in self._numbers
        )


def _numbers(axes: Iterable[Axis]) -> list[int]:
    return [number for axis in axes for number in (axis.tile, *(s.repeat for s in axis.segments))]


def _check_fit(tensors: Mapping[str, Tensor], channels: ChannelGroups) -> None:
    for (name, dimension), axis in channels.axes.items():
        shape = tensors[name].shape if name in tensors else None
        wanted = axis.size(channels.sizes)
        if shape is not None and (dimension >= len(shape) or shape[dimension] != wanted):
            raise RatioParametersError(
                f"the channels are of another model: {name} has the shape {list(shape)}, they "
                f"want {wanted} at {dimension}"
            )


def _names(tensors: Mapping[str, Tensor], given: Sequence[Mapping[str, Any]]) -> Set[str]:
    """Return the tensors of this file that all ratios give something of."""
    found = [{name for name in mapping if name in tensors} for mapping in given]
    if any(names != found[0] for names in found):
        odd = min(name for names in found for name in names ^ found[0])
        raise RatioParametersError(f"some ratios give values of {odd}, others do not")
    return found[0] if found else set()


def _layers(graph: Graph, quantised: Set[str], biased: Set[str]) -> Iterable[Layer]:
    for node in graph.nodes:
        if node.op not in _LAYERS:
            continue
        source, weights, bias = _operands(graph, node)
        changed = {source.name, weights.name} & quantised
        given = bias is not None and bias.name in biased
        if bias is not None and changed and not given:
            raise RatioParametersError(
                f"{min(changed)} gets another scale but its bias {bias.name} no other value"
            )
        if weights.name not in quantised and not given:
            continue
        output = graph.tensors[node.outputs[0]]
        if weights.dtype != "int8" or not weights.constant or not (source.scale and output.scale):
            raise RatioParametersError(
                f"{weights.name} is {weights.dtype}: ratios can give values of int8 layers alone"
            )
        if bias is not None and (bias.dtype != "int32" or len(bias.scales) != len(weights.scales)):
            raise RatioParametersError(f"{bias.name} is no int32 bias of {weights.name}")
        number = NO_BIAS if bias is None else bias.index
        yield Layer(weights.index, number, source.index, output.index)


def _operands(graph: Graph, node: Node) -> tuple[Tensor, Tensor, Tensor | None]:
    has_bias = len(node.inputs) > 2 and node.inputs[2] != NO_TENSOR
    return (
        graph.operand(node, 0),
        graph.operand(node, 1),
        graph.operand(node, 2) if has_bias else None,
    )


def _activation(tensor: Tensor) -> int:
    if len(tensor.scales) != 1 or tensor.constant:
        raise RatioParametersError(
            f"{tensor.name} has {len(tensor.scales)} scales and is "
            f"{'' if tensor.constant else 'not '}constant: ratios give scales of layers' weights "
            "and of activations alone"
        )
    return tensor.index
