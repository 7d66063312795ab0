"""Percentiles of a stream of durations in bounded memory.

Exact up to `EXACT` values; from there on counts in buckets whose width is 1/1024 of their value
(the layout of HdrHistogram, hdrhistogram.org), so a percentile is off by at most 0.05 %. Greatest
value and count stay exact.
"""

from array import array
from collections.abc import Sequence

import numpy as np

EXACT = 100_000
"""Values that are kept as they are: 800 kB."""
_BITS = 10
_LINEAR = 2 << _BITS
"""Values below stand in a bucket each."""


class Percentiles:
    """Takes integers from 0 to 2**63 - 1; what is below 0 counts as 0 once buckets are used."""

    def __init__(self) -> None:
        self._values: array[int] | None = array("q")
        self._counts: array[int] = array("q")
        self.count = 0
        self.greatest: int | None = None

    def add(self, value: int) -> None:
        """Take one value; on the hot path of a run."""
        self.count += 1
        if self.greatest is None or value > self.greatest:
            self.greatest = value
        if self._values is not None:
            self._values.append(value)
            if self.count >= EXACT:
                self._to_buckets(self._values)
        else:
            self._count(value)

    def at(self, ranks: Sequence[int]) -> list[float | None]:
        """Return the percentiles of these ranks, 0 to 100, interpolated; None without values."""
        if not self.count:
            return [None] * len(ranks)
        if self._values is not None:
            return [float(found) for found in np.percentile(np.array(self._values), ranks)]
        return [self._at((self.count - 1) * rank / 100) for rank in ranks]

    def _to_buckets(self, values: "array[int]") -> None:
        self._values = None
        self._counts = array("q", bytes(8 * (_bucket((1 << 63) - 1) + 1)))
        for value in values:
            self._count(value)

    def _count(self, value: int) -> None:
        self._counts[_bucket(value)] += 1

    def _at(self, position: float) -> float:
        """Return the value at a position among the sorted ones, between two by their distance."""
        whole = int(position)
        cumulative = np.cumsum(np.array(self._counts))
        low, high = (
            self._value_of(int(np.searchsorted(cumulative, min(at, self.count - 1), "right")))
            for at in (whole, whole + 1)
        )
        return low + (high - low) * (position - whole)

    def _value_of(self, bucket: int) -> float:
        """Return the middle of a bucket, at most the greatest value that came."""
        assert self.greatest is not None
        if bucket < _LINEAR:
            return float(bucket)
        shift = (bucket >> _BITS) - 1
        first = (bucket - (shift << _BITS)) << shift
        return float(min(first + ((1 << shift) - 1) / 2, self.greatest))


def _bucket(value: int) -> int:
    """Return the index of a value's bucket; order is kept."""
    if value < _LINEAR:
        return max(0, value)
    shift = value.bit_length() - _BITS - 1
    return (shift << _BITS) + (value >> shift)
