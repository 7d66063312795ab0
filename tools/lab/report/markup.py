"""Elements of a page. All text becomes text: what a log holds can be no markup.

Text of a log stands in text nodes only, never in an attribute.
"""

import math
from xml.etree import ElementTree as ET

Node = ET.Element | str | None
LONGEST = 80
"""Characters of one word of a log that a page shows."""


def element(tag: str, *children: Node, **attributes: object) -> ET.Element:
    """Return an element; underscores in names of attributes become dashes, a last one is dropped.

    Args:
        tag: its name.
        *children: elements and texts; None is left out.
        **attributes: numbers are written with up to two decimals.
    """
    made = ET.Element(tag)
    for name, value in attributes.items():
        made.set(name.rstrip("_").replace("_", "-"), _written(value))
    for child in children:
        if isinstance(child, ET.Element):
            made.append(child)
        elif child is not None:
            _append_text(made, printable_text(child))
    return made


def printable_text(text: str) -> str:
    """Return text with what is no character of a page, or changes its direction, as its escape."""
    if text.isprintable():
        return text
    return "".join(
        one if one.isprintable() else f"\\u{ord(one):04x}" for one in text.replace("\n", " ")
    )


def clipped(text: str, most: int = LONGEST) -> str:
    """Return a text of a log as it is shown, its middle left out where it is long."""
    text = printable_text(text)
    if len(text) <= most:
        return text
    kept = most - 1
    return f"{text[: kept - kept // 3]}…{text[len(text) - kept // 3 :]}"


def html(root: ET.Element) -> str:
    """Return a page as text."""
    return "<!DOCTYPE html>\n" + ET.tostring(root, encoding="unicode", method="html") + "\n"


def _append_text(parent: ET.Element, text: str) -> None:
    if len(parent):
        parent[-1].tail = (parent[-1].tail or "") + text
    else:
        parent.text = (parent.text or "") + text


def _written(value: object) -> str:
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"an attribute of {value}")
        return f"{value:.2f}".rstrip("0").rstrip(".")
    return str(value)
