"""The layout of a file that is to be written: where a model is cut, and which layers have codes."""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from edge_infer.models_tflite.errors import RatioParametersError
from edge_infer.models_tflite.graph import NO_TENSOR, Graph, Node, Tensor
from edge_infer.models_tflite.prunable.channels import Axis, ChannelGroups, RatioParameters, Segment
from edge_infer.models_tflite.prunable.layout import NO_BIAS, Cut, Layer, Layout

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
        return int(raw.quantization.quantizedDimension)

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
    operators = {graph.result(n).name: i for i, n in enumerate(graph.nodes) if n.outputs}
    _check_fit(tensors, channels)
    _check_lengths(graph, tensors, operators, channels)
    axes = _Axes(channels)
    indices = {name: tensor.index for name, tensor in tensors.items()}
    cuts = axes.cuts(channels.axes, indices)
    shape_constants = axes.cuts(channels.shape_constants, indices)
    reshapes = axes.cuts(channels.reshapes, operators)
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
    drawn = Outline(graph, layout, tuple(channels.groups[group].key for group in axes.groups))
    _check_biases(drawn)
    return drawn


class _Axes:
    """Axes of a file, each once, and the groups that they are made of."""

    def __init__(self, channels: ChannelGroups) -> None:
        self._numbers: dict[Axis, int] = {}
        self.groups: dict[int, int] = {}
        """Number in the file by number in the whole net."""
        self._channels = channels

    def cuts(
        self, places: Mapping[tuple[str, int], Axis], owners: Mapping[str, int]
    ) -> tuple[Cut, ...]:
        """Return the places whose owner the file has."""
        return tuple(
            Cut(owners[name], position, self._number(axis))
            for (name, position), axis in places.items()
            if name in owners
        )

    def _number(self, axis: Axis) -> int:
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


def _check_lengths(
    graph: Graph,
    tensors: Mapping[str, Tensor],
    operators: Mapping[str, int],
    channels: ChannelGroups,
) -> None:
    """Check that every number which says a length is there."""
    for name, element in channels.shape_constants:
        tensor = tensors.get(name)
        if tensor is not None and not (
            tensor.constant and tensor.dtype == "int32" and element < tensor.elements
        ):
            raise RatioParametersError(f"{name} has no element {element} that says a length")
    for name, element in channels.reshapes:
        node = graph.nodes[operators[name]] if name in operators else None
        if node is not None and element >= len(getattr(node.options, "newShape", ())):
            raise RatioParametersError(f"the operator of {name} has no new shape of {element + 1}")


def _check_biases(outline: Outline) -> None:
    """Check that each bias is one of its weights, and cut as their scales are."""
    for layer in outline.layout.layers:
        if layer.bias == NO_BIAS:
            continue
        weights, bias = (outline.graph.tensors[index] for index in (layer.weights, layer.bias))
        fits = bias.dtype == "int32" and len(bias.shape) == 1 and bias.constant
        if len(weights.scales) > 1:
            along = outline.axis(layer.weights, outline.channel_dimension(layer.weights))
            fits = fits and bias.shape == (len(weights.scales),)
            fits = fits and outline.axis(layer.bias, 0) == along
        if not fits or len(bias.scales) != len(weights.scales):
            raise RatioParametersError(f"{bias.name} is no int32 bias of {weights.name}")


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
        output = graph.result(node)
        scales = min(weights.scales, default=0), source.scale, output.scale
        if weights.dtype != "int8" or not weights.constant or not all(scales):
            raise RatioParametersError(
                f"{weights.name} is {weights.dtype}: ratios can give values of int8 layers alone"
            )
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
