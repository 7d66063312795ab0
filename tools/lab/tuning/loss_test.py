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

from edge_infer.lab.tuning.binomial_tail import binomial_cdf, log_factorials

MOST_HELPED = 250
"""Up to so many helped inputs, or 4 % of all, the critical value is found by summing all counts."""
_MOST_HELPED_SHARE = 8
"""Of the inputs, one in so many may be helped: heads on one frozen net answer otherwise than its
end more often than nets that learned together. More are never accepted."""
_SHRINK = 0.002
"""Steps by which the critical value gives way where that many more counts cost too much."""
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
        critical = self._critical
        if not math.isfinite(critical):
            return np.full(1, -1, np.int64)
        found = self._region(critical)
        while any(self._chance(found, helped) > 1 - self.confidence for helped in self._wide_grid):
            critical -= _SHRINK
            found = self._region(critical)
        return found

    @cached_property
    def _critical(self) -> float:
        """The greatest statistic that is accepted, if not too many inputs are helped."""
        statistic = self._statistic(*self._counts)
        order = np.argsort(statistic, axis=None, kind="stable")
        ranked = statistic.ravel()[order]
        size = np.zeros(len(ranked))
        for helped in self._nuisance_grid(len(self._counts[1])):
            size = np.maximum(size, np.cumsum(self._probabilities(helped).ravel()[order]))
        whole_ties = np.append(ranked[1:] > ranked[:-1], True)
        fit = np.flatnonzero((size <= 1 - self.confidence) & whole_ties)
        return float(ranked[fit[-1]]) if len(fit) else -math.inf

    def _region(self, critical: float) -> NDArray[np.int64]:
        """Return the most harmed inputs at which the statistic is no greater, by helped ones."""
        helped = np.arange(max(1, self.samples // _MOST_HELPED_SHARE) + 1)
        low = np.full(len(helped), -1)
        high = np.full(len(helped), math.ceil(self.samples * self.allowed_loss) + len(helped))
        high = np.minimum(high, self.samples - helped)
        while (open_ := low < high).any():  # the statistic rises with the harmed ones
            middle = (low + high + 1) // 2
            below = self._statistic(middle, helped) <= critical
            low = np.where(open_ & below, middle, low)
            high = np.where(open_ & ~below, middle - 1, high)
        return low.astype(np.int64)

    def _chance(self, region: NDArray[np.int64], helped: float) -> float:
        """Return how likely a region is at the edge of the hypothesis; see `size`."""
        n, spread = self.samples, math.sqrt(self.samples * helped)
        # Eight deviations off, and as many counts where these are few, lies nothing.
        first = max(0, math.floor(n * helped - 8 * spread - 8))
        counts = np.arange(first, min(len(region), math.ceil(n * helped + 8 * spread + 16)))
        if not len(counts):
            return 0.0
        logs = self._factorials[n] - self._factorials[counts] - self._factorials[n - counts]
        logs += (n - counts) * math.log1p(-helped)
        logs += counts * math.log(helped) if helped else np.where(counts, -np.inf, 0.0)
        harmed = (helped + self.allowed_loss) / (1 - helped)
        given = binomial_cdf(region[counts], n - counts, harmed, self._factorials)
        return float(np.exp(logs) @ given)

    @cached_property
    def _factorials(self) -> NDArray[np.float64]:
        return log_factorials(self.samples)

    @cached_property
    def _wide_grid(self) -> list[float]:
        return self._nuisance_grid(max(1, self.samples // _MOST_HELPED_SHARE) + 1)

    def size(self, helped: float) -> float:
        """Return how likely the counts are accepted at the edge of the hypothesis.

        Args:
            helped: probability that an input is helped; it is harmed with this probability plus
                the allowed loss.
        """
        return self._chance(self.most_harmed, helped)

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
        factorials = self._factorials
        harmed, helped = self._counts
        found: NDArray[np.float64] = (
            factorials[-1]
            - factorials[harmed]
            - factorials[helped]
            - factorials[self.samples - harmed - helped]
        )
        return found

    def _nuisance_grid(self, counts: int) -> list[float]:
        """Return helped probabilities from 0 to where hardly any of so many counts is accepted."""
        highest = min(1.5 * counts / self.samples, (1 - self.allowed_loss) / 2 * 0.99)
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
