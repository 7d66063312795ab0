"""Shares as bars."""

from collections.abc import Sequence
from xml.etree import ElementTree as ET

from edge_infer.lab.report.axes import chart, label, text_width
from edge_infer.lab.report.figures import share_figure
from edge_infer.lab.report.markup import clipped, element

WIDTH, _ROW, _BAR, _LONGEST = 560.0, 24.0, 15.0, 40
_FIGURE = 58.0
"""Room for the share at the right."""


def bar_chart(rows: Sequence[tuple[str, float]], title: str) -> ET.Element:
    """Return a bar for each row.

    Args:
        rows: name, and share from 0 to 1.
        title: of the drawing.
    """
    left = 16 + max(text_width(clipped(name, _LONGEST)) for name, _ in rows)
    room = WIDTH - left - _FIGURE
    made: list[ET.Element] = []
    for at, (name, share) in enumerate(rows):
        y, wide = 4 + _ROW * at, max(0.6, room * min(1.0, max(0.0, share)))
        made.append(label(clipped(name, _LONGEST), left - 8, y + 12, "end"))
        made.append(element("rect", class_="rest", x=left, y=y, width=room, height=_BAR))
        made.append(element("rect", class_="bar", x=left, y=y, width=wide, height=_BAR))
        made.append(label(share_figure(share), WIDTH - 2, y + 12, "end"))
    return chart(WIDTH, 8 + _ROW * len(rows), title, *made)
