"""A trained family as plain float32 nets: statistics of its own for each ratio, and how right."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from edge_infer.lab.train.blocks import FusedBatchNorm
from edge_infer.lab.train.dataset import Dataset
from edge_infer.lab.train.prunable.family import Build, Family

STATISTICS_BATCHES, STATISTICS_BATCH = 20, 500
"""Training images that give each ratio its mean and variance: 10,000."""


def settled_nets(family: Family, build: Build, train: Dataset, peak: int) -> dict[str, Any]:
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
    family.settle()
    keras.config.set_dtype_policy("float32")
    nets = {}
    rows = np.random.default_rng(0).permutation(len(train))[: STATISTICS_BATCHES * STATISTICS_BATCH]
    batches = np.array_split(rows, max(1, len(rows) // STATISTICS_BATCH))
    for name, net in family.nets.items():
        nets[name] = build(name)
        nets[name].set_weights(net.get_weights())
        _recalibrate(nets[name], [train.images[part] for part in batches], peak)
    return nets


def _recalibrate(net: keras.Model, batches: Sequence[NDArray[Any]], peak: int) -> None:
    """Set the moving statistics to the mean over batches."""
    norms = [layer for layer in net.layers if isinstance(layer, FusedBatchNorm)]
    kept = [layer.momentum for layer in norms]
    for index, images in enumerate(batches):
        for layer in norms:
            layer.momentum = index / (index + 1)
        net(images.astype(np.float32) / peak, training=True)
    for layer, momentum in zip(norms, kept, strict=True):
        layer.momentum = momentum


def accuracies(net: keras.Model, data: Dataset, peak: int) -> list[float]:
    """Return the share of right answers of each exit, 0 to 1, in float arithmetic."""
    right: Any = 0
    for first in range(0, len(data), 500):
        part = data.take(np.arange(first, min(first + 500, len(data))))
        logits = net(part.images.astype(np.float32) / peak, training=False)
        logits = logits if isinstance(logits, list | tuple) else [logits]
        right = right + np.array([(x.numpy().argmax(1) == part.labels).sum() for x in logits])
    return [float(count) / len(data) for count in right]


NETS_FILE = "nets.npz"


def save_nets(work: Path, nets: dict[str, Any]) -> dict[str, Any]:
    """Keep trained nets in their work folder; return them."""
    arrays = {
        f"{name}/{k}": v for name, net in nets.items() for k, v in enumerate(net.get_weights())
    }
    partial = work / f"part-{NETS_FILE}"
    np.savez(partial, **arrays)
    partial.replace(work / NETS_FILE)
    return nets


def load_nets(work: Path, build: Build) -> dict[str, Any] | None:
    """Return the nets that an earlier run left in a work folder, if it came to its end."""
    if not (work / NETS_FILE).exists():
        return None
    keras.config.set_dtype_policy("float32")
    with np.load(work / NETS_FILE) as arrays:
        nets = {name: build(name) for name in dict.fromkeys(key.split("/")[0] for key in arrays)}
        for name, net in nets.items():
            net.set_weights([arrays[f"{name}/{k}"] for k in range(len(net.weights))])
    return nets
