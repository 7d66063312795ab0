"""Do these inputs behave like the calibration's? Told from exits and margins, without labels.

What thresholds promise holds for inputs drawn like those that they were chosen on. Under that
hypothesis the calibration's inputs and those of a run are exchangeable, whatever their common
distribution: so the rank of each new outcome among all before it and the calibration's is uniform,
and ranks are independent (conformal test martingales: V. Vovk, I. Nouretdinov, A. Gammerman,
ICML 2003). `InputShift` bets on the ranks. Its capital is a martingale from 1 while the hypothesis
holds, so that it ever reaches 1/p has a probability of at most p (Ville's inequality), over runs of
any length, however small the calibration set.

An outcome is the exit where a frame left and, there, the cell of its margin. Outcomes are ordered
from sure at the first exit to unsure at the last. A rank's place within its tie is drawn, from a
generator of a fixed seed.
"""

import math
import random
from bisect import bisect_left
from collections.abc import Mapping, Sequence

from edge_infer.models_tflite.manifest import Calibration

ERROR_PROBABILITY = 0.001
"""That a run whose inputs are like the calibration's is called another, whatever its length."""
_BINS = 10
"""Of the histogram of ranks that bets are made by."""
_PRIOR = 3.0
"""Ranks that each bin has seen before the first."""
_MEMORIES = 60.0, 1000.0
"""Ranks after which a bettor has forgotten all but 1/e: for an onset in mid-run, for a small
shift. The capital is divided between them."""
_LARGEST = 1e30
"""Of a weight, before all are scaled down."""


class _Bettor:
    """Bets that ranks go on as they were of late; some capital joins at each rank.

    What joined before a change is lost to what came before it, and what joins after it is not:
    so a change is seen after a million frames too (a Shiryaev-Roberts mixture over its time).
    """

    def __init__(self, memory: float) -> None:
        self._growth = math.exp(1 / memory)
        self._step = 1.0
        self._prior = _PRIOR
        self._weights = [0.0] * _BINS
        self._seen = 0.0
        self.capital = 0.0
        """In play."""

    def bet(self, bin_: int, joining: float) -> None:
        """Pay for a rank, then learn it."""
        weights, prior = self._weights, self._prior
        paid = (weights[bin_] + prior) * _BINS / (self._seen + prior * _BINS)
        self.capital = (self.capital + joining) * paid
        weights[bin_] += self._step
        self._seen += self._step
        # Newer ranks weigh more, instead of older ones less: one product instead of ten.
        self._step *= self._growth
        self._prior *= self._growth
        if self._step > _LARGEST:
            self._scale_down()

    def _scale_down(self) -> None:
        step = self._step
        self._weights = [weight / step for weight in self._weights]
        self._seen, self._prior, self._step = self._seen / step, self._prior / step, 1.0


class _Ranks:
    """Outcomes of the calibration's inputs and of the run so far, at one ratio."""

    def __init__(self, calibration: Calibration) -> None:
        self._edges: list[Sequence[float]] = [exit_.edges for exit_ in calibration.exits]
        self._last: list[int] = []
        """By exit, the cell of its least sure outcomes."""
        self._counts: list[int] = []
        for exit_ in calibration.exits:
            self._counts += reversed(exit_.counts)
            self._last.append(len(self._counts) - 1)
        self._total = sum(self._counts)

    def rank(self, exit_: int, confidence: float, draw: float) -> float:
        """Take in an outcome; return its rank among all, 0 to 1, `draw` its place in a tie."""
        cell = self._last[exit_] - bisect_left(self._edges[exit_], confidence)
        counts = self._counts
        counts[cell] += 1
        self._total += 1
        return (sum(counts[:cell]) + draw * counts[cell]) / self._total


class InputShift:
    """A sequential test of the outcomes of a run against the calibration's.

    Args:
        calibrations: outcomes of the calibration inputs, by ratio.
        error_probability: of an alarm, ever, where frames are drawn like the calibration's.
        seed: of the draws within ties.
    """

    def __init__(
        self,
        calibrations: Mapping[str, Calibration],
        error_probability: float = ERROR_PROBABILITY,
        seed: int = 0,
    ) -> None:
        self.error_probability = error_probability
        self.frames = 0
        """Looked at; none after the alarm."""
        self.evidence = 1.0
        """Largest capital so far: the odds that were beaten."""
        self.at_frame: int | None = None
        """Frames until it was sure; None while it is not."""
        self._ranks = {ratio: _Ranks(found) for ratio, found in calibrations.items()}
        self._draw = random.Random(seed).random
        self._bettors = [_Bettor(memory) for memory in _MEMORIES]
        self._reserve = 1.0

    @property
    def shifted(self) -> bool:
        """Whether the inputs differ from the calibration's."""
        return self.at_frame is not None

    def add(self, ratio: str, exit_: int, confidence: float) -> None:
        """Look at one outcome: takes about 4 us, and next to nothing after the alarm.

        Args:
            ratio: that the frame ran at; one that was not calibrated is passed over.
            exit_: where the frame left.
            confidence: the criterion's value there, as calibrated.
        """
        ranks = self._ranks.get(ratio)
        if ranks is None or self.at_frame is not None:
            return
        self.frames += 1
        rank = ranks.rank(exit_, confidence, self._draw())
        # What is left after n frames is 1 / (1 + ln n): it never ends, and goes slowly.
        left = 1 / (1 + math.log(self.frames + 1))
        joining, self._reserve = (self._reserve - left) / len(self._bettors), left
        capital = left
        for bettor in self._bettors:
            bettor.bet(min(int(rank * _BINS), _BINS - 1), joining)
            capital += bettor.capital
        self.evidence = max(self.evidence, capital)
        if capital >= 1 / self.error_probability:
            self.at_frame = self.frames
