"""Labelled images and how they are divided: trained on, held back, tested on."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_infer.lab.train.errors import TrainError


@dataclass(frozen=True, slots=True)
class Dataset:
    """Labelled images of one size.

    Attributes:
        images: uint8, shape [n, height, width, channels].
        labels: int64 class indices, shape [n].
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def __post_init__(self) -> None:
        """Refuse what is not a set of labelled images."""
        if self.images.ndim != 4 or self.images.dtype != np.uint8:
            raise TrainError(
                f"images are {self.images.dtype} of shape {self.images.shape}: "
                "give uint8 of shape [n, height, width, channels]"
            )
        if self.labels.shape != self.images.shape[:1]:
            raise TrainError(
                f"{len(self.images)} images but labels of shape {self.labels.shape}: "
                "give one label per image"
            )

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: NDArray[np.int64]) -> "Dataset":
        """The images at `rows` (indices), in that order."""
        return Dataset(self.images[rows], self.labels[rows])


@dataclass(frozen=True, slots=True)
class Splits:
    """Three disjoint parts of one data set."""

    train: Dataset
    """Trained on; activation ranges of the int8 net come from it as well."""
    held_back: Dataset
    """Never trained on: thresholds and predictors are chosen on it."""
    test: Dataset
    """Read once, for the figures that are printed."""


def hold_out(data: Dataset, count: int, seed: int) -> tuple[Dataset, Dataset]:
    """Divide into (rest, `count` held out), every class in its own proportion.

    The held-out share of each class is rounded down, then the largest remainders get one more.

    Raises:
        TrainError: `count` leaves nothing on one side.
    """
    if not 0 < count < len(data):
        raise TrainError(f"cannot hold {count} out of {len(data)} images: ask for fewer")
    classes, sizes = np.unique(data.labels, return_counts=True)
    shares = sizes * count / len(data)
    quota = np.floor(shares).astype(int)
    quota[np.argsort(quota - shares, kind="stable")[: count - quota.sum()]] += 1
    rng = np.random.default_rng(seed)
    out = np.zeros(len(data), bool)
    for label, wanted in zip(classes, quota, strict=True):
        out[rng.permutation(np.flatnonzero(data.labels == label))[:wanted]] = True
    return data.take(np.flatnonzero(~out)), data.take(np.flatnonzero(out))


def split(
    train: Dataset, test: Dataset | None, held_back: int, test_count: int, seed: int
) -> Splits:
    """Hold back from the training side; where there is no test side, take that out first."""
    if test is None:
        train, test = hold_out(train, test_count, seed)
    train, held = hold_out(train, held_back, seed + 1)
    return Splits(train, held, test)
