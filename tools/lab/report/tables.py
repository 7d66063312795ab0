"""Tables and other small parts of a page."""

from collections.abc import Iterable, Sequence
from xml.etree import ElementTree as ET

from edge_infer.lab.report.markup import Node, clipped, element


def table(
    heading: Sequence[str], rows: Iterable[Sequence[Node]], *, words: bool = False
) -> ET.Element:
    """Return a table; the first column names its rows, numbers stand flush right, words left."""
    return element(
        "div",
        element(
            "table",
            element("thead", element("tr", *(element("th", name) for name in heading))),
            element("tbody", *(_row(row) for row in rows)),
        ),
        class_="scroll words" if words else "scroll",
    )


def scrolled(wide: ET.Element) -> ET.Element:
    """Return what is scrolled aside on a narrow screen."""
    return element("div", wide, class_="scroll")


def missing(text: str) -> ET.Element:
    """Return a sentence that says why something is not there."""
    return element("p", text, class_="missing")


def remark(text: str) -> ET.Element:
    """Return a sentence about a chart."""
    return element("p", text, class_="remark")


def legend(entries: Sequence[tuple[str, str]]) -> ET.Element:
    """Return what colours mean: class and name of each."""
    return element(
        "p",
        *(
            element("span", element("i", class_=f"key {class_}"), clipped(name, 24))
            for class_, name in entries
        ),
        class_="legend",
    )


def _row(cells: Sequence[Node]) -> ET.Element:
    first, *rest = cells
    return element("tr", element("th", first), *(element("td", cell) for cell in rest))
