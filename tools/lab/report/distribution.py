"""How values of a run are spread: exact while few differ, in narrow cells from there on."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

EXACT = 20_000
"""Different values that are kept as they are."""
CELL_BITS = 11
"""Beyond, values are rounded to so many bits: by at most 0.05 %."""


class Distribution:
    """Takes integers; count, sum, least and greatest stay exact."""

    def __init__(self) -> None:
        self.count = self.total = 0
        self.least: int | None = None
        self.greatest: int | None = None
        self.rounded = False
        """Whether percentiles are of rounded values."""
        self._counts: Counter[int] = Counter()

    def add(self, value: int) -> None:
        """Take one value."""
        self.count += 1
        self.total += value
        self.least = value if self.least is None else min(self.least, value)
        self.greatest = value if self.greatest is None else max(self.greatest, value)
        self._counts[_cell(value) if self.rounded else value] += 1
        if not self.rounded and len(self._counts) > EXACT:
            self.rounded = True
            counts, self._counts = self._counts, Counter()
            for kept, count in counts.items():
                self._counts[_cell(kept)] += count

    @property
    def mean(self) -> float | None:
        """The arithmetic mean."""
        return self.total / self.count if self.count else None

    def at(self, ranks: Sequence[float]) -> list[float]:
        """Return the percentiles of ranks from 0 to 100, interpolated; [] without values."""
        if not self.count:
            return []
        values, counts = self.cells()
        ends = np.cumsum(counts)
        found = []
        for rank in ranks:
            position = (self.count - 1) * rank / 100
            low, high = (
                float(values[np.searchsorted(ends, min(at, self.count - 1), "right")])
                for at in (int(position), int(position) + 1)
            )
            found.append(low + (high - low) * (position - int(position)))
        return found

    def cells(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the different values, rising, and how often each came."""
        values = np.array(sorted(self._counts), np.int64)
        return values, np.array([self._counts[int(value)] for value in values], np.int64)


def _cell(value: int) -> int:
    shift = abs(value).bit_length() - CELL_BITS
    if shift <= 0:
        return value
    return ((value >> shift) << shift) + (1 << (shift - 1))
