"""How latencies and energies are spread, exit by exit over one axis."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
from numpy.typing import NDArray

from edge_infer.lab.report.axes import Axis, bottom_axis, chart, label, text_width
from edge_infer.lab.report.distribution import Distribution
from edge_infer.lab.report.figures import Scale
from edge_infer.lab.report.markup import clipped, element

WIDTH, CELLS = 560.0, 56
_RIGHT, _TOP, _ROW, _GAP = 14.0, 8.0, 40.0, 14.0
_LONGEST_NAME = 14
_WIDE = 30
"""From here on the axis is logarithmic: greatest over least value."""
_FAR = 3
"""A range that is so many times the middle 99.8 % is cut."""


@dataclass(frozen=True)
class Range:
    """What the axes of several charts go from and to."""

    low: float
    high: float
    logarithmic: bool

    def beyond(self, spread: Distribution) -> int:
        """Return how many values lie outside."""
        values, counts = spread.cells()
        return int(counts[(values < self.low) | (values > self.high)].sum())


def common_range(spreads: Sequence[Distribution]) -> Range | None:
    """Return the range that shows all of several distributions; None where all are empty."""
    full = [spread for spread in spreads if spread.count]
    if not full:
        return None
    low = min(spread.least or 0 for spread in full)
    high = max(spread.greatest or 0 for spread in full)
    if low > 0 and high > _WIDE * low:
        return Range(low, high, True)
    inner = [spread.at((0.1, 99.9)) for spread in full]
    inner_low, inner_high = min(at[0] for at in inner), max(at[1] for at in inner)
    if inner_high > inner_low and high - low > _FAR * (inner_high - inner_low):
        return Range(inner_low, inner_high, False)
    pad = 0.02 * (high - low) or max(1.0, 0.01 * abs(high))
    return Range(low - pad, high + pad, False)


def histograms(
    rows: Sequence[tuple[str, str, Distribution]], shown: Range, scale: Scale, name: str
) -> ET.Element:
    """Return a histogram for each row, over one axis.

    Args:
        rows: name, class of the colour, values.
        shown: range of the axis.
        scale: unit of the axis.
        name: of the axis.
    """
    left = 12 + max(text_width(clipped(row[0], _LONGEST_NAME)) for row in rows)
    axis = Axis(shown.low, shown.high, left, WIDTH - _RIGHT, shown.logarithmic)
    bottom = _TOP + len(rows) * (_ROW + _GAP)
    made = bottom_axis(axis, bottom, _TOP, scale, name)
    for at, (row, class_, spread) in enumerate(rows):
        base = _TOP + (at + 1) * (_ROW + _GAP) - _GAP / 2
        made.append(label(clipped(row, _LONGEST_NAME), left - 8, base - 12, "end"))
        made += _bars(spread, axis, base, class_)
    return chart(WIDTH, bottom + 38, f"{name} by exit", *made)


def _bars(spread: Distribution, axis: Axis, base: float, class_: str) -> list[ET.Element]:
    if not spread.count:
        return []
    edges, shares = _cells(spread, axis)
    tallest = float(shares.max()) or 1.0
    parts = []
    for left, right, share in zip(edges, edges[1:], shares, strict=False):
        if share:
            x, wide = axis.at(left), axis.at(right) - axis.at(left)
            tall = max(1.0, _ROW * share / tallest)
            parts.append(f"M{x:.1f} {base:.1f}v-{tall:.1f}h{wide:.1f}v{tall:.1f}Z")
    median = axis.at(spread.at((50,))[0])
    return [
        element("path", class_=class_, d="".join(parts)),
        element("line", class_="axis", x1=axis.start, x2=axis.end, y1=base, y2=base),
        element("line", class_="median", x1=median, x2=median, y1=base - _ROW, y2=base),
    ]


def _cells(spread: Distribution, axis: Axis) -> tuple[list[float], NDArray[Any]]:
    make = np.geomspace if axis.logarithmic else np.linspace
    edges = make(axis.low, axis.high, CELLS + 1)
    values, counts = spread.cells()
    # A power of ten may come back a hair below the value it was made of.
    edges[0], edges[-1] = axis.low, axis.high
    shares, _ = np.histogram(values, edges, weights=counts)
    return edges.tolist(), shares
