"""Paths through threshold space, from never leaving early to always: what is tested in order.

A path must not depend on the inputs it is tested on. With one early exit there is only one path:
the threshold sinks. With more, the path is learned on inputs that are then left out of the test:
each point minimises energy + price * loss over them, and the price of a loss sinks from point to
point (the Lagrangian of "least energy at an allowed loss"). Between two points, and between never
leaving and the first, the thresholds move in small steps: a test that follows the path stops at the
first point it cannot accept, so a long step wastes what lies in it.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from edge_infer.lab.tuning.exit_outcomes import ExitOutcomes, Thresholds

PRICES = 120
"""Points of a learned path, before those that are alike are joined."""
FIRST_STEPS = 64
"""From never leaving early to the first learned point, which already lets many inputs leave."""
STEPS = 8
"""From one learned point to the next."""
_SWEEPS = 6
"""Rounds over the exits; three are enough for four exits."""


def sinking_path(outcomes: ExitOutcomes) -> list[Thresholds]:
    """Return the path of a single early exit: every confidence that occurs, the highest first."""
    return [(float(value),) for value in np.unique(outcomes.confidence[0])[::-1]]


def learned_path(outcomes: ExitOutcomes, exit_energy_nj: Sequence[float]) -> list[Thresholds]:
    """Learn a path on inputs that will not be tested on: the learned points and steps between.

    Args:
        outcomes: of those inputs, at least one.
        exit_energy_nj: mean net energy of an inference that leaves at each exit.

    Returns:
        Threshold vectors, the safest first.
    """
    highest = tuple(float(row.max()) for row in outcomes.confidence)
    return list(_filled(highest, learned_points(outcomes, exit_energy_nj)))


def learned_points(outcomes: ExitOutcomes, exit_energy_nj: Sequence[float]) -> list[Thresholds]:
    """Return the thresholds of least energy + price * loss, from a high price to a low one."""
    sweep = _Sweep(outcomes, exit_energy_nj)
    # One input of n harmed costs a loss of 1/n; the dearest price forbids even one of them, the
    # cheapest lets every input leave at the first exit.
    dearest = 2.0 * len(outcomes) * (max(exit_energy_nj) - min(exit_energy_nj))
    current: Thresholds = (math.inf,) * len(outcomes.confidence)
    points = []
    for price in dearest * np.geomspace(1, 1e-3 / len(outcomes), PRICES):
        current = sweep.minimise(float(price), current)
        points.append(current)
    return [point for point, _ in groupby(points)]


def _filled(highest: Thresholds, points: Sequence[Thresholds]) -> Iterator[Thresholds]:
    """Yield the points and steps between them; what never leaves comes in from `highest`."""
    before = (math.inf,) * len(highest)
    for index, point in enumerate(points):
        steps = STEPS if index else FIRST_STEPS
        for step in range(1, steps + 1):
            yield tuple(
                _between(*pair, step / steps) for pair in zip(before, point, highest, strict=True)
            )
        before = point


def _between(start: float, end: float, highest: float, share: float) -> float:
    if math.isinf(start) and math.isinf(end):
        return math.inf
    low, high = min(start, highest), min(end, highest)
    return low + (high - low) * share if share < 1 else end


class _Sweep:
    """Coordinate descent on energy + price * loss, one exit's threshold at a time."""

    def __init__(self, outcomes: ExitOutcomes, exit_energy_nj: Sequence[float]) -> None:
        self._outcomes = outcomes
        self._harm = outcomes.harm.astype(np.float64)
        self._energy = np.asarray(exit_energy_nj, np.float64)
        self._order = [np.argsort(-row, kind="stable") for row in outcomes.confidence]
        self._everyone = np.arange(len(outcomes))

    def minimise(self, price: float, start: Thresholds) -> Thresholds:
        cost = self._energy[:, np.newaxis] + price * self._harm
        found = list(start)
        for _ in range(_SWEEPS):
            before = tuple(found)
            for exit_ in reversed(range(len(found))):
                found[exit_] = self._best(exit_, found, cost)
            if tuple(found) == before:
                break
        return tuple(found)

    def _best(self, exit_: int, found: list[float], cost: NDArray[np.float64]) -> float:
        """Return the threshold of one exit that is best while the others stand."""
        confidence = self._outcomes.confidence
        bounds = np.array(found)[:, np.newaxis]
        earlier = (confidence[:exit_] >= bounds[:exit_]).any(axis=0)
        bounds[exit_] = math.inf
        later = self._outcomes.exits(tuple(bounds[:, 0]))
        saved = np.where(earlier, 0.0, cost[later, self._everyone] - cost[exit_])
        order = self._order[exit_]
        ranked = confidence[exit_][order]
        total = np.cumsum(saved[order])
        # Inputs of one confidence leave together.
        total[:-1][ranked[:-1] == ranked[1:]] = -math.inf
        best = int(total.argmax())
        return float(ranked[best]) if total[best] > 0 else math.inf
