"""The axes of a chart: where a value stands, its ticks and its grid."""

import math
import unicodedata
from dataclasses import dataclass
from itertools import pairwise
from xml.etree import ElementTree as ET

from edge_infer.lab.report.figures import Scale, linear_ticks, logarithmic_ticks, significant
from edge_infer.lab.report.markup import element

LETTER = 6.6
"""Width of a character at the charts' 11 px, on the safe side."""
_LEAST_GAP = 18.0
_LONGEST_TICK = 8
_BESIDE = 12.0
"""Room for texts at the right of an axis."""
_LARGEST = 1.3
"""How much larger than it is laid out a drawing may be."""


@dataclass(frozen=True)
class Axis:
    """Values from `low` to `high` along a stretch from `start` to `end`, in px."""

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False

    def at(self, value: float) -> float:
        """Return where a value stands, within the stretch."""
        low, high = self._bent(self.low), self._bent(self.high)
        share = (self._bent(max(value, self.low)) - low) / (high - low) if high > low else 0.5
        return self.start + min(1.0, max(0.0, share)) * (self.end - self.start)

    def ticks(self, scale: Scale, most: int) -> list[tuple[float, str]]:
        """Return where ticks stand and what they say, without the unit."""
        low, high = self.low / scale.of, self.high / scale.of
        found = logarithmic_ticks(low, high) if self.logarithmic else linear_ticks(low, high, most)
        steps = [later - one for one, later in pairwise(found)]
        decimals = 0 if not steps else max(0, -math.floor(math.log10(min(steps)) + 1e-9))
        if self.logarithmic or not steps:
            texts = [f"{float(significant(tick)):g}" for tick in found]
        else:
            texts = [_short(tick, decimals + _half(min(steps))) for tick in found]
        places = [self.at(tick * scale.of) for tick in found]
        return _apart(list(zip(places, texts, strict=True)), upright=self.start > self.end)

    def _bent(self, value: float) -> float:
        return math.log10(value) if self.logarithmic else value


def bottom_axis(axis: Axis, y: float, top: float, scale: Scale, name: str) -> list[ET.Element]:
    """Return grid, ticks and name of a horizontal axis at `y`; the grid goes up to `top`."""
    made: list[ET.Element] = []
    for x, text in axis.ticks(scale, 8):
        made.append(element("line", class_="grid", x1=x, x2=x, y1=top, y2=y))
        within = axis.end + _BESIDE - text_width(text) / 2
        made.append(label(text, min(x, within), y + 14, "middle"))
    made.append(element("line", class_="axis", x1=axis.start, x2=axis.end, y1=y, y2=y))
    made.append(label(f"{name}, {scale.unit}", (axis.start + axis.end) / 2, y + 30, "middle"))
    return made


def left_axis(axis: Axis, x: float, right: float, scale: Scale, name: str) -> list[ET.Element]:
    """Return grid, ticks and name of a vertical axis at `x`; the grid goes on to `right`."""
    made: list[ET.Element] = []
    for y, text in axis.ticks(scale, 5):
        made.append(element("line", class_="grid", x1=x, x2=right, y1=y, y2=y))
        made.append(label(text, x - 6, y + 4, "end"))
    made.append(label(f"{name}, {scale.unit}", 2, min(axis.start, axis.end) - 10, "start"))
    return made


def label(text: str, x: float, y: float, anchor: str = "start", class_: str = "") -> ET.Element:
    """Return a text of a chart; `anchor` is start, middle or end."""
    return element("text", text, x=x, y=y, text_anchor=anchor, class_=f"label {class_}".rstrip())


def text_width(text: str) -> float:
    """Return how wide a text of a chart is at most, in px."""
    wide = sum(unicodedata.east_asian_width(one) in "WF" for one in text)
    return LETTER * (len(text) + wide)


def chart(width: float, height: float, title: str, *children: ET.Element) -> ET.Element:
    """Return a drawing that is as wide as its place."""
    return element(
        "svg",
        element("title", title),
        *children,
        viewBox=f"0 0 {width:g} {height:g}",
        role="img",
        class_="chart",
        style=f"max-width:{_LARGEST * width:.0f}px",
    )


def _short(tick: float, decimals: int) -> str:
    """Return a tick's text; numbers that no scale fits are rounded."""
    text = f"{tick:.{decimals}f}"
    return text if len(text) <= _LONGEST_TICK else f"{tick:.3g}"


def _half(step: float) -> int:
    """Return 1 for steps of 2.5, which need a digit more."""
    mantissa = step / 10 ** math.floor(math.log10(step) + 1e-9)
    return int(abs(mantissa - 2.5) < 1e-6)


def _apart(ticks: list[tuple[float, str]], upright: bool) -> list[tuple[float, str]]:
    """Return ticks whose texts do not touch."""
    kept: list[tuple[float, str]] = []
    for place, text in ticks:
        needed = 14.0
        if kept and not upright:
            needed = _LEAST_GAP + LETTER * (len(text) + len(kept[-1][1])) / 2
        if not kept or abs(place - kept[-1][0]) >= needed:
            kept.append((place, text))
    return kept
