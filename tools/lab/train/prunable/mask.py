"""A soft mask over the channels of a net, learned with it, and the order that comes of it.

Each group of channels has one number a channel that multiplies gamma and beta of all its
normalisations, under an L1 penalty (as Z. Liu et al., ICCV 2017, learn gamma itself; a factor of
its own is one for all layers that a residual addition ties together). Channels are then sorted by
it, so that every ratio is a prefix.
"""

from collections.abc import Mapping
from typing import Any, Literal, get_args

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from edge_infer.lab.train.prunable.groups import NetGroups

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
