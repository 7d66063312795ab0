"""A data set that a net of a few hundred weights learns in seconds."""

import numpy as np

from edge_infer.lab.train.dataset import Dataset, Splits, hold_out


def bars(n: int, seed: int) -> Dataset:
    """Images 6x6 with one bright row (class 0) or column (class 1) in the noise."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 60, (n, 6, 6, 1), np.uint8)
    labels = rng.integers(0, 2, n)
    for image, label, at in zip(images, labels, rng.integers(0, 6, n), strict=True):
        (image if label == 0 else image.swapaxes(0, 1))[at] = 200
    return Dataset(images, labels)


def bar_splits() -> Splits:
    """Return 240 images to train on, 60 held back and 100 to test."""
    return Splits(*hold_out(bars(300, 0), 60, 0), bars(100, 1))
