"""Published nets with made-up scores: each sees the true class through noise of its own."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edge_infer.lab.reproduce.imagenet_nets import PublishedNet
from edge_infer.lab.reproduce.imagenet_scores import NetScores

NETS = {
    "mobilenet-v1-0.5-160": 1.6,
    "efficientnet-lite0": 1.1,
    "efficientnet-lite1": 1.0,
    "efficientnet-lite2": 0.9,
}
"""Name: deviation of its noise, where the true class stands 3 above the others."""
CLASSES = 20


def scored_nets(
    count: int = 400, names: Sequence[str] = tuple(NETS), quantised_with: int = 0
) -> list[NetScores]:
    """Return what nets say of pictures; half of the noise is common to all of them."""
    random = np.random.default_rng(5)
    labels = random.integers(0, CLASSES, count)
    hard = random.normal(0, 0.8, (count, CLASSES))
    pictures = tuple(f"picture-{number}.JPEG" for number in range(count))
    return [
        NetScores(
            PublishedNet(
                name, Path(f"{name}.tflite"), name, "logits", pictures[:quantised_with]
            ),
            (3 * np.eye(CLASSES)[labels] + hard + random.normal(0, NETS[name], hard.shape)).astype(
                np.float32
            ),
            labels,
            pictures,
            (),
        )
        for name in names
    ]  # fmt: skip
