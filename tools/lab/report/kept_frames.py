"""The frames of a run that are worth a look, few of them."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from edge_infer.lab.report.run_row import RunRow

MOST = 12
"""Frames of a kind that a page shows."""


class FrameKey(NamedTuple):
    """What a frame is found again by."""

    name: str
    true_label: str | None
    number: int | None
    """Only of a frame without a name."""


@dataclass
class KeptFrames:
    """The frames with the greatest `worth`, each once: a source that is repeated gives it again.

    Args:
        worth: of a row; None leaves it out.
    """

    worth: Callable[[RunRow], float | None]
    count: int = 0
    """Rows that were worth anything."""
    _least: float = -math.inf
    """What is worth no more is not kept."""
    _kept: dict[FrameKey, tuple[float, RunRow]] = field(default_factory=dict)

    def add(self, row: RunRow) -> None:
        """Take one row."""
        worth = self.worth(row)
        if worth is None:
            return
        self.count += 1
        if worth <= self._least:
            return
        key = key_of(row)
        if key in self._kept:
            if worth > self._kept[key][0]:
                self._kept[key] = worth, row
            return
        self._kept[key] = worth, row
        if len(self._kept) > MOST:
            del self._kept[min(self._kept, key=lambda kept: self._kept[kept][0])]
        if len(self._kept) == MOST:
            self._least = min(found for found, _ in self._kept.values())

    @property
    def rows(self) -> list[RunRow]:
        """Those kept, the greatest worth first."""
        return [row for _, row in sorted(self._kept.values(), key=lambda found: -found[0])]


def key_of(row: RunRow) -> FrameKey:
    """Return what a row's frame is found again by."""
    return FrameKey(row.name, row.true_label, None if row.name else row.number)


def wrongness(row: RunRow) -> float | None:
    """Return how sure a wrong answer was; None of one that is right, or not known to be wrong."""
    if row.true_label is None or row.answer == row.true_label:
        return None
    return row.confidence or 0.0


def doubt(row: RunRow) -> float | None:
    """Return how little sure an answer was, None where that is not known."""
    return None if row.confidence is None else -row.confidence
