"""What was taken for what: true labels against answers."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from edge_infer.lab.report.axes import chart, label, text_width
from edge_infer.lab.report.figures import count_figure
from edge_infer.lab.report.markup import clipped, element

MOST_LABELS = 20
"""Labels that a matrix shows; of more, those with the most wrong answers, and the rest as one."""
REST = "all others"
_CELL, _LONGEST = 30.0, 16
_DARK = 0.55
"""From this share on a cell is so dark that its number is light."""


@dataclass(frozen=True)
class Matrix:
    """A matrix as it is shown.

    Args:
        labels: of its rows and columns.
        counts: by true label and answer.
        merged: labels that stand together in the last row and column.
    """

    labels: Sequence[str]
    counts: Mapping[tuple[str, str], int]
    merged: int


def matrix_of(pairs: Mapping[tuple[str, str], int], order: Sequence[str]) -> Matrix:
    """Return the matrix of pairs of true label and answer.

    Args:
        pairs: counts; not empty.
        order: of the labels, where it is known; the rest follows sorted.
    """
    wrong: Counter[str] = Counter()
    seen: set[str] = set()
    for (true, answer), count in pairs.items():
        seen |= {true, answer}
        wrong[true] += count if true != answer else 0
        wrong[answer] += count if true != answer else 0
    rank = {name: at for at, name in enumerate(order)}
    labels = sorted(seen, key=lambda name: (rank.get(name, len(rank)), name))
    if len(labels) <= MOST_LABELS:
        return Matrix(labels, dict(pairs), 0)
    worst = sorted(labels, key=lambda name: -wrong[name])[: MOST_LABELS - 1]
    kept = [name for name in labels if name in set(worst)]
    counts: Counter[tuple[str, str]] = Counter()
    for (true, answer), count in pairs.items():
        counts[true if true in worst else REST, answer if answer in worst else REST] += count
    return Matrix([*kept, REST], counts, len(labels) - len(kept))


def matrix_chart(matrix: Matrix) -> ET.Element:
    """Return the matrix as a drawing: a row for a true label, a column for an answer."""
    names = [clipped(name, _LONGEST) for name in matrix.labels]
    margin = 26 + max(24.0, *map(text_width, names))
    size = margin + _CELL * len(names) + 8
    made: list[ET.Element] = [label("answered", margin, 12), label("true", 4, margin - 6)]
    rows = Counter[str]()
    for (true, _), count in matrix.counts.items():
        rows[true] += count
    for at, name in enumerate(names):
        middle = margin + _CELL * (at + 0.5)
        made.append(label(name, margin - 8, middle + 4, "end"))
        turned = label(name, 0, 0)
        turned.set("transform", f"translate({middle + 4:.1f} {margin - 8:.1f}) rotate(-90)")
        made.append(turned)
    for row, true in enumerate(matrix.labels):
        for column, answer in enumerate(matrix.labels):
            share = matrix.counts.get((true, answer), 0) / (rows[true] or 1)
            kind = "right" if row == column else "wrong"
            if true == answer == REST:
                kind = "bar"  # right and wrong answers stand together
            x, y = margin + _CELL * column, margin + _CELL * row
            made += _cell(matrix.counts.get((true, answer), 0), share, x, y, kind)
    width = max(size, margin + 80)
    return chart(width, size, "confusion matrix", *made)


def _cell(count: int, share: float, x: float, y: float, kind: str) -> list[ET.Element]:
    made = [element("rect", class_="cell", x=x, y=y, width=_CELL - 1, height=_CELL - 1)]
    if count:
        opacity = 0.12 + 0.88 * (math.sqrt(share) if kind == "wrong" else share)
        made.append(
            element(
                "rect", class_=kind, x=x, y=y, width=_CELL - 1, height=_CELL - 1,
                fill_opacity=opacity,
            )
        )  # fmt: skip
        class_ = "light" if opacity > _DARK else ""
        made.append(label(_short(count), x + (_CELL - 1) / 2, y + 19, "middle", class_))
    return made


def _short(count: int) -> str:
    """Return a count that fits a cell."""
    if count < 10_000:
        return str(count)
    return f"{count // 1000}k" if count < 1_000_000 else f"{count // 1_000_000}M"


def commonest_confusions(
    pairs: Mapping[tuple[str, str], int], most: int = 8
) -> list[tuple[str, str, str]]:
    """Return the most frequent wrong answers: true label, answer, count."""
    wrong = sorted(
        ((count, true, answer) for (true, answer), count in pairs.items() if true != answer),
        key=lambda found: (-found[0], found[1], found[2]),
    )
    return [(true, answer, count_figure(count)) for count, true, answer in wrong[:most]]
