"""Which channels of a Keras net stand or fall together, and how to put them in another order.

Residual additions tie the channels of what they add; everything between two convolutions passes
channels through. The device follows channels in the TFLite graph by the same rules
(`edge_infer.models_tflite.prunable`); here they are followed where the variables are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from edge_infer.lab.train.errors import TrainError

PASSING = (
    keras.layers.BatchNormalization,
    keras.layers.ReLU,
    keras.layers.MaxPooling2D,
    keras.layers.GlobalAveragePooling2D,
)
"""Layers that keep each channel to itself."""


@dataclass(frozen=True)
class LayerGroups:
    """Groups of one layer's channels; empty names for channels that are never cut."""

    layer: Any
    reads: str
    writes: str


@dataclass(frozen=True)
class NetGroups:
    """The channel groups of a net."""

    layers: tuple[LayerGroups, ...]
    """Those with variables, in the net's order."""
    sizes: Mapping[str, int]
    """Channels by group; a group is named after the first convolution that writes it."""

    def norms(self, group: str) -> list[Any]:
        """Return the normalisations whose channels are a group's."""
        found = [part for part in self.layers if _is_norm(part.layer)]
        return [part.layer for part in found if part.writes == group]


def follow(net: keras.Model) -> NetGroups:
    """Follow the channels of a net.

    Args:
        net: convolutions, batch normalisations, ReLU, pooling, additions and dense layers.

    Raises:
        TrainError: it has another kind of layer.
    """
    parent: dict[str, str] = {}
    sizes: dict[str, int] = {}
    of_tensor: dict[int, str] = {}
    found = []
    for layer in net.layers:
        sources = layer.input if isinstance(layer.input, list) else [layer.input]
        reads = [of_tensor.get(id(tensor), "") for tensor in sources]
        writes = _writes(layer, reads, parent, sizes)
        of_tensor[id(layer.output)] = writes
        if layer.variables:
            found.append((layer, reads[0], writes))
    layers = tuple(LayerGroups(a, _root(parent, b), _root(parent, c)) for a, b, c in found)
    return NetGroups(layers, {name: n for name, n in sizes.items() if _root(parent, name) == name})


def _writes(layer: Any, reads: list[str], parent: dict[str, str], sizes: dict[str, int]) -> str:
    if isinstance(layer, keras.layers.Conv2D):
        parent[layer.name], sizes[layer.name] = layer.name, layer.filters
        return str(layer.name)
    if isinstance(layer, keras.layers.Add):
        for name in reads[1:]:
            parent[_root(parent, name)] = _root(parent, reads[0])
        return reads[0]
    if isinstance(layer, PASSING):
        return reads[0]
    if isinstance(layer, keras.layers.InputLayer | keras.layers.Dense):
        return ""
    raise TrainError(f"a prunable net cannot have the layer {type(layer).__name__}")


def _root(parent: Mapping[str, str], name: str) -> str:
    while name and parent[name] != name:
        name = parent[name]
    return name


def _is_norm(layer: Any) -> bool:
    return isinstance(layer, keras.layers.BatchNormalization)


def reorder(groups: NetGroups, order: Mapping[str, NDArray[np.int64]]) -> None:
    """Put the channels of a net into another order; what it computes stays the same.

    Args:
        groups: of the net.
        order: by group, the channels in their new order.
    """

    def placed(array: NDArray[Any], axis: int, group: str) -> NDArray[Any]:
        return np.take(array, order[group], axis) if group in order else array

    for part in groups.layers:
        values: Sequence[NDArray[Any]] = part.layer.get_weights()
        if isinstance(part.layer, keras.layers.Conv2D):
            kernel = placed(placed(values[0], 3, part.writes), 2, part.reads)
            part.layer.set_weights([kernel, *values[1:]])
        elif isinstance(part.layer, keras.layers.Dense):
            part.layer.set_weights([placed(values[0], 0, part.reads), *values[1:]])
        else:
            part.layer.set_weights([placed(value, 0, part.writes) for value in values])
