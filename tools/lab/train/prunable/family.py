"""A family: the full net and its narrower sub-nets, which take prefixes of its kernels.

Trained, it becomes plain float32 nets with statistics of their own, one for each ratio.

A sub-net has normalisations and biases of its own (switchable batch normalisation, J. Yu et al.,
ICLR 2019, section 3.3) and no kernel of its own: it runs on slices of the full net's, really
narrower, so training it costs what its width costs.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from edge_infer.lab.train.dataset import Dataset
from edge_infer.lab.train.nets import FusedBatchNorm
from edge_infer.models_tflite.manifest import FULL_RATIO

Build = Callable[[str], keras.Model]
"""Name of a ratio to a fresh net of its widths."""
_STATISTICS_BATCHES, _STATISTICS_BATCH = 20, 500
"""Training images that give each ratio its mean and variance: 10,000."""
_NETS_FILE = "nets.npz"


class Family:
    """Sub-nets by ratio, the full one first.

    Args:
        build: makes the net of a ratio; the order of the variables is the same for all.
        ratios: names, "1.0" first, then narrower and narrower.
        shared: False gives each ratio kernels of its own: nets trained alone, side by side.
    """

    def __init__(self, build: Build, ratios: Sequence[str], shared: bool = True) -> None:
        self.nets: Mapping[str, keras.Model] = {name: build(name) for name in ratios}
        self.full = self.nets[FULL_RATIO]
        self._shared = shared

    @property
    def trainable_variables(self) -> list[Any]:
        """What training moves: the full net's variables, then each sub-net's own."""
        return [
            variable
            for name, net in self.nets.items()
            for variable in net.trainable_variables
            if name == FULL_RATIO or not self._takes(variable)
        ]

    def run(
        self, ratio: str, images: Any, kernels: Sequence[Any] = (), pull: float = 1.0
    ) -> list[Any]:
        """Return the logits of a sub-net in training, and move its moving statistics.

        Args:
            ratio: which.
            images: float, shape [n, height, width, channels].
            kernels: values of the net's trainable variables, if not its own.
            pull: share of the gradient that reaches shared kernels; what is its own gets all.
        """
        net = self.nets[ratio]
        values = list(kernels) or self._values(ratio, pull)
        states = [variable.value for variable in net.non_trainable_variables]
        logits, moved = net.stateless_call(values, states, images, training=True)
        for variable, value in zip(net.non_trainable_variables, moved, strict=True):
            variable.assign(value)
        logits = logits if isinstance(logits, list | tuple) else [logits]
        return [tf.cast(x, tf.float32) for x in logits]

    def write_slices(self) -> None:
        """Write the slices into the sub-nets' own variables: each is a net of its own now."""
        for ratio, net in self.nets.items():
            for variable, value in zip(net.trainable_variables, self._values(ratio), strict=True):
                variable.assign(value)

    def inherit(self) -> None:
        """Start the sub-nets' own variables from the first channels of the full net's."""
        for net in self.nets.values():
            for variable, whole in zip(net.variables, self.full.variables, strict=True):
                variable.assign(prefix(whole.value, variable.shape))

    def _takes(self, variable: Any) -> bool:
        """Whether a variable is a kernel of the full net, cut to size."""
        return self._shared and len(variable.shape) > 1

    def _values(self, ratio: str, pull: float = 1.0) -> list[Any]:
        own, whole = self.nets[ratio].trainable_variables, self.full.trainable_variables
        return [
            eased(prefix(big.value, small.shape), pull) if self._takes(small) else small.value
            for small, big in zip(own, whole, strict=True)
        ]


def prefix(tensor: Any, shape: Sequence[int]) -> Any:
    """Return the first part of a tensor along every axis."""
    if tuple(tensor.shape) == tuple(shape):
        return tensor
    return tf.slice(tensor, [0] * len(shape), shape)


def eased(tensor: Any, pull: float) -> Any:
    """Return a tensor as it is, through which only a share of the gradient passes."""
    return tensor if pull == 1 else pull * tensor + tf.stop_gradient((1 - pull) * tensor)


def separate_nets(family: Family, build: Build, train: Dataset, peak: int) -> dict[str, Any]:
    """Return each ratio as a net of its own, without mixed precision.

    A ratio between the widest and the narrowest was trained in some of the steps only, each with
    other kernels: its moving statistics lag, so they are taken anew (J. Yu and T. Huang, ICCV 2019,
    section 3.3), on images as they are.

    Args:
        family: trained.
        build: makes the net of a ratio.
        train: images of the training side.
        peak: grey level that becomes 1.0.
    """
    family.write_slices()
    keras.config.set_dtype_policy("float32")
    nets = {}
    rows = np.random.default_rng(0).permutation(len(train))[
        : _STATISTICS_BATCHES * _STATISTICS_BATCH
    ]
    batches = np.array_split(rows, max(1, len(rows) // _STATISTICS_BATCH))
    for name, net in family.nets.items():
        nets[name] = build(name)
        nets[name].set_weights(net.get_weights())
        _estimate_statistics(nets[name], [train.images[part] for part in batches], peak)
    return nets


def _estimate_statistics(net: keras.Model, batches: Sequence[NDArray[Any]], peak: int) -> None:
    """Set the moving statistics to the mean over batches."""
    norms = [layer for layer in net.layers if isinstance(layer, FusedBatchNorm)]
    kept = [layer.momentum for layer in norms]
    for index, images in enumerate(batches):
        for layer in norms:
            layer.momentum = index / (index + 1)
        net(images.astype(np.float32) / peak, training=True)
    for layer, momentum in zip(norms, kept, strict=True):
        layer.momentum = momentum


def save_nets(work: Path, nets: dict[str, Any]) -> dict[str, Any]:
    """Keep trained nets in their work folder; return them."""
    arrays = {
        f"{name}/{k}": v for name, net in nets.items() for k, v in enumerate(net.get_weights())
    }
    partial = work / f"part-{_NETS_FILE}"
    np.savez(partial, **arrays)
    partial.replace(work / _NETS_FILE)
    return nets


def load_nets(work: Path, build: Build) -> dict[str, Any] | None:
    """Return the nets that an earlier run left in a work folder, if it came to its end."""
    if not (work / _NETS_FILE).exists():
        return None
    keras.config.set_dtype_policy("float32")
    with np.load(work / _NETS_FILE) as arrays:
        nets = {name: build(name) for name in dict.fromkeys(key.split("/")[0] for key in arrays)}
        for name, net in nets.items():
            net.set_weights([arrays[f"{name}/{k}"] for k in range(len(net.weights))])
    return nets
