"""Reads a page as a browser does, and holds it to its form and its drawings to their frame."""

import re
import unicodedata
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

VOID = {"meta", "img"}
TAGS = {
    *("html", "head", "meta", "title", "style", "body", "main", "header", "footer", "section"),
    *("h1", "h2", "h3", "div", "span", "small", "b", "i", "p", "dl", "dt", "dd", "ul", "li"),
    *("table", "thead", "tbody", "tr", "th", "td", "figure", "figcaption", "img"),
    *("svg", "text", "path", "line", "rect"),
}
LETTER = 6.6


class PageReader(HTMLParser):
    """Collects the texts of a page; fails on what is not closed, not known, or from elsewhere."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.texts: list[str] = []
        self.pictures = 0
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert not self._open, self._open

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS, tag
        for name, value in attributes:
            assert not name.startswith("on") and name not in {"href", "srcset"}, name
            if name == "src":
                assert value and value.startswith("data:image/png;base64,")
                self.pictures += 1
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open[-1:] != ["style"]:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


def drawings(page: str) -> list[ET.Element]:
    """The drawings of a page."""
    return [ET.fromstring(found) for found in re.findall(r"<svg.*?</svg>", page, re.S)]


def check_drawing(drawing: ET.Element) -> None:
    """Fail where a text leaves the frame or lies on another, or a shape leaves the frame."""
    width, height = map(float, drawing.attrib["viewBox"].split()[2:])
    boxes = [text_box(text) for text in drawing.iter("text")]
    for left, top, right, bottom in [*boxes, *shapes(drawing)]:
        assert left >= -0.5 and top >= -0.5 and right <= width + 0.5 and bottom <= height + 0.5
    for at, one in enumerate(boxes):
        for other in boxes[at + 1 :]:
            apart = one[2] <= other[0] or other[2] <= one[0]
            assert apart or one[3] <= other[1] or other[3] <= one[1], (one, other)


def text_box(text: ET.Element) -> tuple[float, float, float, float]:
    """Where a text of 11 px stands at most: left, top, right, bottom."""
    words = text.text or ""
    long = LETTER * sum(1 + (unicodedata.east_asian_width(one) in "WF") for one in words)
    if "transform" in text.attrib:
        x, y = map(
            float, re.findall(r"translate\(([\d.]+) ([\d.]+)\)", text.attrib["transform"])[0]
        )
        return x - 9, y - long, x + 2, y
    x, y = float(text.attrib["x"]), float(text.attrib["y"])
    x -= long * {"start": 0, "middle": 0.5, "end": 1}[text.attrib["text-anchor"]]
    return x, y - 9, x + long, y + 2


def shapes(drawing: ET.Element) -> list[tuple[float, float, float, float]]:
    """Where rectangles, lines and the starts of path parts stand."""
    found = []
    for rect in drawing.iter("rect"):
        x, y, wide, tall = (float(rect.attrib[name]) for name in ("x", "y", "width", "height"))
        found.append((x, y, x + wide, y + tall))
    for line in drawing.iter("line"):
        xs, ys = ([float(line.attrib[f"{way}{end}"]) for end in "12"] for way in "xy")
        found.append((min(xs), min(ys), max(xs), max(ys)))
    for path in drawing.iter("path"):
        for x, y in re.findall(r"[ML]([-\d.]+) ([-\d.]+)", path.attrib["d"]):
            found.append((float(x), float(y), float(x), float(y)))
    return found
