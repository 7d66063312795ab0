"""The channels of several layers, all in a row."""

import numpy as np
from numpy.typing import NDArray


class Rows:
    """Which layer each row is of, and its number there.

    Args:
        counts: rows of each layer, shape [layers].
    """

    def __init__(self, counts: NDArray[np.int64]) -> None:
        self.counts = counts
        self.ends: NDArray[np.int64] = counts.cumsum()
        """Of each layer, shape [layers]."""
        self.starts = self.ends - counts
        self.layer: NDArray[np.intp] = np.arange(len(counts)).repeat(counts)
        """Shape [rows]."""
        self.within: NDArray[np.int64] = np.arange(len(self.layer)) - self.starts.take(self.layer)
        """0, 1, ... in each layer, shape [rows]."""
