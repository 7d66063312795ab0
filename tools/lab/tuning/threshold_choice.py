"""Exit thresholds for the least expected energy, with a promise about the loss of accuracy.

Learn then Test (Angelopoulos, Bates, Candes, Jordan, Lei, 2021, arXiv 2110.01052) in its fixed
sequence form: threshold vectors stand in an order that does not depend on the inputs tested on;
each is tested in turn, all at the full level, up to the first that cannot be accepted. With the
stated confidence, over the draw of the inputs, the loss of every accepted vector is at most the
allowed one, so the cheapest of them may be taken. The p-value is exact for a loss in {-1, 0, 1}
(`loss_test`) instead of the Hoeffding-Bentkus one of that paper. On a little/big pair for MNIST
(10,000 inputs, 0.12 points) it comes to 7.3 % of the big net's energy, Clopper-Pearson on the
harmed alone to 7.7, a betting bound (Waudby-Smith and Ramdas, 2023) to 7.9, and Hoeffding-Bentkus
proves nothing.

One threshold a class was tried: 9.0 % against 7.3 on such a pair, 33 against 31 on four exits. It
needs a learned path where one exit has none, and more inputs to learn it.

A path runs from never leaving early to always, and must not depend on the inputs it is tested on.
With one early exit there is only one path: the threshold sinks. With more, the path is learned on
inputs that are then left out of the test: each point minimises energy + price * loss over them, and
the price of a loss sinks from point to point (the Lagrangian of "least energy at an allowed loss").
Between two points, and between never leaving and the first, the thresholds move in small steps: a
test that follows the path stops at the first point it cannot accept, so a long step wastes what
lies in it.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_infer.lab.tuning.exit_outcomes import ExitOutcomes, Thresholds
from edge_infer.lab.tuning.loss_test import loss_test, samples_needed
from edge_infer.runtime.errors import RunError

LEARNING_SHARE = 0.2
"""Part of the inputs that the path of two or more early exits is learned on. A path needs few
inputs, the test all it can get: measured on four exits for CIFAR-10, half and half uses up to 3
points of the classic net's energy more, a tenth or a fifth are alike."""
_PRICES = 120
"""Points of a learned path, before those that are alike are joined."""
_FIRST_STEPS = 64
"""From never leaving early to the first learned point, which already lets many inputs leave."""
_STEPS = 8
"""From one learned point to the next."""
_SWEEPS = 6
"""Rounds over the exits; three are enough for four exits."""


class TooFewSamplesError(RunError, ValueError):
    """The calibration set is too small to promise anything; says how many inputs it takes."""


@dataclass(frozen=True)
class LossBound:
    """What a choice of thresholds has to keep."""

    loss: float
    """Share of answers, against the classic net: 0.01 is one percentage point."""
    confidence: float


@dataclass(frozen=True)
class CalibrationSplit:
    """The path of thresholds, and the inputs it is tested on."""

    path: Sequence[Thresholds]
    tested: ExitOutcomes


@dataclass(frozen=True)
class ThresholdChoice:
    """Thresholds and what they did to the inputs they were tested on."""

    thresholds: Thresholds
    harmed: int
    helped: int
    samples: int
    """Inputs tested on."""
    shares: tuple[float, ...]
    """Of these inputs, by the exit they leave at; sums to 1."""
    energy_nj: float
    """Expected net energy of an inference, by these shares."""

    @property
    def loss(self) -> float:
        """Loss of accuracy on the inputs tested on; negative is a gain."""
        return (self.harmed - self.helped) / self.samples


def split_calibration(
    outcomes: ExitOutcomes, exit_energy_nj: Sequence[float], random: np.random.Generator
) -> CalibrationSplit:
    """Make the path: given for one early exit, learned on some of the inputs for more.

    Args:
        outcomes: of the calibration inputs, independent of each other.
        exit_energy_nj: mean net energy of an inference that leaves at each exit.
        random: draws the inputs to learn on.
    """
    if len(outcomes.confidence) == 1:
        return CalibrationSplit(sinking_path(outcomes), outcomes)
    order: NDArray[Any] = random.permutation(len(outcomes))
    learning = round(LEARNING_SHARE * len(outcomes))
    path = learned_path(outcomes.taken(order[:learning]), exit_energy_nj)
    return CalibrationSplit(path, outcomes.taken(order[learning:]))


def choose_thresholds(
    split: CalibrationSplit, exit_energy_nj: Sequence[float], loss_bound: LossBound
) -> ThresholdChoice | None:
    """Choose the cheapest thresholds that keep an loss_bound.

    Args:
        split: from `split_calibration`.
        exit_energy_nj: mean net energy of an inference that leaves at each exit.
        loss_bound: what they have to keep.

    Returns:
        None if no thresholds can be shown to keep it, though there are inputs enough.

    Raises:
        TooFewSamplesError: even without a harmed input nothing could be promised.
    """
    _check_samples(split, loss_bound)
    return min(
        accepted(split, exit_energy_nj, loss_bound),
        key=lambda choice: choice.energy_nj,
        default=None,
    )


def accepted(
    split: CalibrationSplit, exit_energy_nj: Sequence[float], loss_bound: LossBound
) -> Iterator[ThresholdChoice]:
    """Yield the choices along the path up to the first that cannot be accepted."""
    test = loss_test(len(split.tested), loss_bound.loss, loss_bound.confidence)
    for thresholds in split.path:
        harmed, helped = split.tested.counts(thresholds)
        if not test.accepts(harmed, helped):
            return
        shares = split.tested.shares(thresholds)
        energy_nj = float(np.dot(shares, exit_energy_nj))
        yield ThresholdChoice(thresholds, harmed, helped, test.samples, shares, energy_nj)


def _check_samples(split: CalibrationSplit, loss_bound: LossBound) -> None:
    """Check that the inputs tested on are enough to promise anything.

    Raises:
        TooFewSamplesError: how many there are and how many it takes, path included.
    """
    needed, tested = samples_needed(loss_bound.loss, loss_bound.confidence), len(split.tested)
    if tested >= needed:
        return
    learning = ""
    if split.tested.confidence.shape[0] > 1:
        needed = -int(-needed // (1 - LEARNING_SHARE))
        tested = round(tested / (1 - LEARNING_SHARE))
        learning = f" ({LEARNING_SHARE:.0%} of them to learn in which order to test)"
    raise TooFewSamplesError(
        f"{tested} calibration inputs cannot promise a loss of at most {100 * loss_bound.loss:g} "
        f"points at {loss_bound.confidence:.0%}: it takes {needed}{learning}, none of them harmed; "
        "give more, or allow more"
    )


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
    for price in dearest * np.geomspace(1, 1e-3 / len(outcomes), _PRICES):
        current = sweep.minimise(float(price), current)
        points.append(current)
    return [point for point, _ in groupby(points)]


def _filled(highest: Thresholds, points: Sequence[Thresholds]) -> Iterator[Thresholds]:
    """Yield the points and steps between them; what never leaves comes in from `highest`."""
    before = (math.inf,) * len(highest)
    for index, point in enumerate(points):
        steps = _STEPS if index else _FIRST_STEPS
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
