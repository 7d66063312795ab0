"""An exact test of "the adaptive net loses more accuracy than allowed" on paired answers.

Of each input two answers are known, the classic net's and the adaptive one's. An input is harmed
when the classic answer is right and the adaptive one wrong, helped when it is the other way round;
the loss of accuracy is P(harmed) - P(helped). The hypothesis that it is more than allowed is
rejected by the counts of both in independent inputs.

Counts are ordered by the score statistic of a difference of paired proportions (J. Nam,
Biometrics 53, 1997; T. Tango, Statistics in Medicine 17, 1998), and the critical value is chosen so
that the rejection region has at most the wanted probability under every distribution of the
hypothesis, the trinomial summed term by term (unconditional exact test: H. Hsueh, J. Liu, J. Chen,
Biometrics 57, 2001). Without a helped input it accepts what the Clopper-Pearson bound on the harmed
share accepts; each helped input lets it accept about one harmed input more, at no loss of
exactness. Hoeffding-Bentkus or betting bounds, which Learn then Test uses for losses of any
distribution, are looser for a loss in {-1, 0, 1}.
"""

import math
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

MOST_HELPED = 250
"""Counts of helped inputs above this one, or 4 % of the inputs, are never accepted: the region
stays small enough to sum, and still exact."""
_GRID_STEP = 0.2
"""Steps of the nuisance probability, in standard deviations of the count it moves: the probability
of a region cannot hide a peak between two of them."""


class LossTest:
    """Accepts counts that show, at a confidence, that the loss is at most what is allowed.

    Args:
        samples: independent inputs, 1 or more.
        allowed_loss: share, above 0 and below 0.5 (0.01 is one percentage point).
        confidence: of the promise, for example 0.95.

    Raises:
        ValueError: an argument is out of its range.
    """

    def __init__(self, samples: int, allowed_loss: float, confidence: float) -> None:
        if samples < 1 or not 0 < allowed_loss < 0.5 or not 0 < confidence < 1:
            raise ValueError(
                f"no test of a loss of {allowed_loss} at {confidence} on {samples} samples"
            )
        self.samples = samples
        self.allowed_loss = allowed_loss
        self.confidence = confidence

    def accepts(self, harmed: int, helped: int) -> bool:
        """Return whether these counts prove that the loss is at most the allowed one."""
        return helped < len(self.most_harmed) and harmed <= int(self.most_harmed[helped])

    @cached_property
    def most_harmed(self) -> NDArray[np.int64]:
        """The most harmed inputs that are accepted, by the number of helped ones; -1 for none."""
        statistic = self._statistic(*self._counts)
        order = np.argsort(statistic, axis=None, kind="stable")
        ranked = statistic.ravel()[order]
        size = np.zeros(len(ranked))
        for helped in self._nuisance_grid():
            size = np.maximum(size, np.cumsum(self._probabilities(helped).ravel()[order]))
        whole_ties = np.append(ranked[1:] > ranked[:-1], True)
        fit = np.flatnonzero((size <= 1 - self.confidence) & whole_ties)
        critical = ranked[fit[-1]] if len(fit) else -math.inf
        accepted = (statistic <= critical).sum(axis=1)
        lowest = int(self._counts[0][0, 0])
        return np.where(accepted > 0, lowest + accepted - 1, -1).astype(np.int64)

    def size(self, helped: float) -> float:
        """Return how likely the counts are accepted at the edge of the hypothesis.

        Args:
            helped: probability that an input is helped; it is harmed with this probability plus
                the allowed loss.
        """
        harmed_counts, _ = self._counts
        region = harmed_counts <= self.most_harmed[:, np.newaxis]
        return float(self._probabilities(helped)[region].sum())

    @cached_property
    def _counts(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Harmed [1, n] and helped [m, 1] counts that can be accepted."""
        helped = max(1, min(self.samples // 25, MOST_HELPED))
        # The statistic is negative in the region: harmed - helped < allowed loss * samples.
        edge = self.samples * self.allowed_loss
        # Eight deviations below the edge lies less than e^-32 of the probability (Chernoff).
        fewest = max(0, math.floor(edge - 8 * math.sqrt(edge)))
        most = min(self.samples - helped, math.ceil(edge) + helped)
        return np.arange(fewest, most + 1)[np.newaxis, :], np.arange(helped + 1)[:, np.newaxis]

    def _statistic(
        self, harmed: NDArray[np.int64], helped: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Return (observed - allowed loss) over its standard error under the hypothesis."""
        n, allowed = self.samples, self.allowed_loss
        # The likeliest helped probability on the edge is the root of 2n q^2 + b q + c.
        b = (2 * n - (harmed - helped)) * allowed - (harmed + helped)
        c = -helped * allowed * (1 - allowed)
        likeliest = (np.sqrt(b * b - 8 * n * c) - b) / (4 * n)
        found: NDArray[np.float64] = (harmed - helped - n * allowed) / np.sqrt(
            n * (2 * likeliest + allowed * (1 - allowed))
        )
        return found

    def _probabilities(self, helped: float) -> NDArray[np.float64]:
        """Return the trinomial probabilities of the counts on the edge of the hypothesis."""
        harmed_counts, helped_counts = self._counts
        harmed = helped + self.allowed_loss
        logs = (
            self._log_coefficients
            + harmed_counts * math.log(harmed)
            + (self.samples - harmed_counts - helped_counts) * math.log1p(-(harmed + helped))
        )
        if helped > 0:
            logs = logs + helped_counts * math.log(helped)
        else:
            logs[1:] = -np.inf
        found: NDArray[np.float64] = np.exp(logs)
        return found

    @cached_property
    def _log_coefficients(self) -> NDArray[np.float64]:
        factorials = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, self.samples + 1)))])
        harmed, helped = self._counts
        found: NDArray[np.float64] = (
            factorials[-1]
            - factorials[harmed]
            - factorials[helped]
            - factorials[self.samples - harmed - helped]
        )
        return found

    def _nuisance_grid(self) -> list[float]:
        """Return helped probabilities from 0 to where hardly any count can be accepted."""
        most = len(self._counts[1]) / self.samples
        highest = min(1.5 * most, (1 - self.allowed_loss) / 2 * 0.99)
        grid, helped = [0.0], 0.02 / self.samples
        while helped < highest:
            grid.append(helped)
            helped += max(0.02 / self.samples, _GRID_STEP * math.sqrt(helped / self.samples))
        return grid


@lru_cache(maxsize=64)
def loss_test(samples: int, allowed_loss: float, confidence: float) -> LossTest:
    """Return a test, the same one again for the same arguments: its region takes up to a second."""
    return LossTest(samples, allowed_loss, confidence)


def samples_needed(allowed_loss: float, confidence: float) -> int:
    """Return how many inputs, none of them harmed, it takes to promise anything.

    n inputs without a harmed one reject a loss of `allowed_loss` when
    (1 - allowed_loss)^n <= 1 - confidence: 2,495 for 0.12 points at 95 %.
    """
    return math.ceil(math.log(1 - confidence) / math.log1p(-allowed_loss))
