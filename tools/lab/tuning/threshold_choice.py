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
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_infer.lab.tuning.exit_outcomes import ExitOutcomes, Thresholds
from edge_infer.lab.tuning.loss_test import loss_test, samples_needed
from edge_infer.lab.tuning.threshold_path import learned_path, sinking_path
from edge_infer.runtime.errors import RunError

LEARNING_SHARE = 0.2
"""Part of the inputs that the path of two or more early exits is learned on. A path needs few
inputs, the test all it can get: measured on four exits for CIFAR-10, half and half uses up to 3
points of the classic net's energy more, a tenth or a fifth are alike."""


class TooFewSamplesError(RunError, ValueError):
    """The calibration set is too small to promise anything; says how many inputs it takes."""


@dataclass(frozen=True)
class Allowance:
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
    split: CalibrationSplit, exit_energy_nj: Sequence[float], allowance: Allowance
) -> ThresholdChoice | None:
    """Choose the cheapest thresholds that keep an allowance.

    Args:
        split: from `split_calibration`.
        exit_energy_nj: mean net energy of an inference that leaves at each exit.
        allowance: what they have to keep.

    Returns:
        None if no thresholds can be shown to keep it, though there are inputs enough.

    Raises:
        TooFewSamplesError: even without a harmed input nothing could be promised.
    """
    check_samples(split, allowance)
    return min(
        accepted(split, exit_energy_nj, allowance),
        key=lambda choice: choice.energy_nj,
        default=None,
    )


def accepted(
    split: CalibrationSplit, exit_energy_nj: Sequence[float], allowance: Allowance
) -> Iterator[ThresholdChoice]:
    """Yield the choices along the path up to the first that cannot be accepted."""
    test = loss_test(len(split.tested), allowance.loss, allowance.confidence)
    for thresholds in split.path:
        harmed, helped = split.tested.counts(thresholds)
        if not test.accepts(harmed, helped):
            return
        shares = split.tested.shares(thresholds)
        energy_nj = float(np.dot(shares, exit_energy_nj))
        yield ThresholdChoice(thresholds, harmed, helped, test.samples, shares, energy_nj)


def check_samples(split: CalibrationSplit, allowance: Allowance) -> None:
    """Check that the inputs tested on are enough to promise anything.

    Raises:
        TooFewSamplesError: how many there are and how many it takes, path included.
    """
    needed, tested = samples_needed(allowance.loss, allowance.confidence), len(split.tested)
    if tested >= needed:
        return
    learning = ""
    if split.tested.confidence.shape[0] > 1:
        needed = -int(-needed // (1 - LEARNING_SHARE))
        tested = round(tested / (1 - LEARNING_SHARE))
        learning = f" ({LEARNING_SHARE:.0%} of them to learn in which order to test)"
    raise TooFewSamplesError(
        f"{tested} calibration inputs cannot promise a loss of at most {100 * allowance.loss:g} "
        f"points at {allowance.confidence:.0%}: it takes {needed}{learning}, none of them harmed; "
        "give more, or allow more"
    )
