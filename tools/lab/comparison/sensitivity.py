"""How far a figure hangs on the figures of a board that nobody settled.

Each of them is put to both ends of its range, and all together are drawn from their ranges. The
interval of a figure is the middle 90 % of the drawn boards; it hangs on what moves it most.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from edge_infer.boards.profile import BoardProfile
from edge_infer.boards.uncertainty import drawn, one_by_one

DRAWN = 40
MIDDLE = (5, 95)
"""Percentiles of the drawn boards."""

Figures = Callable[[BoardProfile], Mapping[str, float]]
FiguresOfAll = Callable[[Sequence[BoardProfile]], Sequence[Mapping[str, float]]]


def intervals(
    figures: Figures, profile: BoardProfile, count: int = DRAWN, seed: int = 0
) -> dict[str, dict[str, Any]]:
    """Return the intervals of figures that are asked for board by board (`all_intervals`)."""
    return all_intervals(lambda boards: [figures(board) for board in boards], profile, count, seed)


def all_intervals(
    figures: FiguresOfAll, profile: BoardProfile, count: int = DRAWN, seed: int = 0
) -> dict[str, dict[str, Any]]:
    """Return the interval of each figure, and what it hangs on.

    Args:
        figures: by name, of each of some boards.
        profile: the board as it is.
        count: boards to draw.
        seed: of the draw.

    Returns:
        By name: interval (two ends), hangs_on (key of the board's figure, None where nothing moves
        it) and its swing (what the figure comes to at the ends of that key's range).
    """
    moved = list(one_by_one(profile))
    boards = [profile, *(other for _, other in moved), *drawn(profile, count, seed)]
    own, *found = figures(boards)
    ends: dict[str, dict[str, list[float]]] = {name: {} for name in own}
    for (key, _), row in zip(moved, found, strict=False):
        for name, value in row.items():
            ends[name].setdefault(key, []).append(value)
    rows = found[len(moved) :]
    return {
        name: {"value": own[name], **_interval([row[name] for row in rows], ends[name])}
        for name in own
    }


def _interval(values: list[float], ends: Mapping[str, list[float]]) -> dict[str, Any]:
    low, high = np.percentile(values, MIDDLE)
    most = max(ends, key=lambda key: max(ends[key]) - min(ends[key]), default=None)
    if most is not None and max(ends[most]) == min(ends[most]):
        most = None
    return {
        "interval": [float(low), float(high)],
        "hangs_on": most,
        "swing": None if most is None else [min(ends[most]), max(ends[most])],
    }


def moved_to(value: float, found: Mapping[str, Any]) -> dict[str, Any]:
    """Return an interval as far about another value of the same figure as about its own."""
    off = value - found["value"]
    swing = found["swing"]
    return {
        **found,
        "value": value,
        "interval": [end + off for end in found["interval"]],
        "swing": None if swing is None else [end + off for end in swing],
    }
