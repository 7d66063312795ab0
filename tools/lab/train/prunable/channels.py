"""The channels of a net: which stand or fall together, and in which order ratios take them.

Residual additions tie the channels of what they add; everything between two convolutions passes
channels through. The device follows channels in the TFLite graph by the same rules
(`edge_infer.models_tflite.prunable`); here they are followed where the variables are.

Their order is learned by a soft mask. Each group has one number a channel that multiplies gamma and
beta of all its normalisations, under an L1 penalty (as Z. Liu et al., ICCV 2017, learn gamma
itself; a factor of its own is one for all layers that a residual addition ties together). Channels
are then sorted by it, so that every ratio is a prefix.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import keras
import numpy as np
import tensorflow as tf
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


Order = Literal["learned", "arbitrary", "magnitude"]
ORDERS: tuple[Order, ...] = get_args(Order)


class SoftMask:
    """One factor a channel, ones to begin with.

    Args:
        net: at full width.
        groups: of its channels.
    """

    def __init__(self, net: keras.Model, groups: NetGroups) -> None:
        self._net = net
        self._groups = groups
        self.factors: Mapping[str, Any] = {
            name: tf.Variable(tf.ones(size), name=f"mask_{name}")
            for name, size in groups.sizes.items()
        }
        self._group_of = {
            id(variable): name
            for name in groups.sizes
            for layer in groups.norms(name)
            for variable in (layer.gamma, layer.beta)
        }

    def masked(self) -> list[Any]:
        """Return the values of the net's trainable variables under the mask."""
        return [
            v.value * self.factors[self._group_of[id(v)]] if id(v) in self._group_of else v.value
            for v in self._net.trainable_variables
        ]

    def size(self) -> Any:
        """Return the sum of the factors' magnitudes."""
        return tf.add_n([tf.reduce_sum(tf.abs(factor)) for factor in self.factors.values()])

    def fold(self) -> None:
        """Multiply the mask into the net: what the net computes from then on stays the same."""
        for variable, value in zip(self._net.trainable_variables, self.masked(), strict=True):
            variable.assign(value)

    def order(self, rule: Order, seed: int) -> dict[str, NDArray[np.int64]]:
        """Return the channels of each group, the most important first.

        Args:
            rule: learned: by the mask; magnitude: by the sum of the absolute weights of the
                filters that write a channel (H. Li et al., ICLR 2017); arbitrary: shuffled.
            seed: of the shuffle.
        """
        if rule == "arbitrary":
            rng = np.random.default_rng(seed)
            return {name: rng.permutation(size) for name, size in self._groups.sizes.items()}
        if rule == "learned":
            rank = {name: np.abs(factor.numpy()) for name, factor in self.factors.items()}
        else:
            rank = _magnitudes(self._groups)
        return {name: np.argsort(-values, kind="stable") for name, values in rank.items()}


def _magnitudes(groups: NetGroups) -> dict[str, NDArray[np.float64]]:
    found = {name: np.zeros(size) for name, size in groups.sizes.items()}
    for part in groups.layers:
        if isinstance(part.layer, keras.layers.Conv2D):
            found[part.writes] += np.abs(part.layer.get_weights()[0]).sum((0, 1, 2))
    return found
