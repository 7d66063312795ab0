"""The binomial distribution function, for many counts at once, to about ten digits.

By the regularised incomplete beta function and its continued fraction (DLMF 8.17.22, evaluated by
W. Lentz's method), which takes some tens of steps where sums would take thousands of terms.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_TINY = 1e-300
_PRECISION = 1e-10
_STEPS = 2000


def log_factorials(most: int) -> Array:
    """Return log(n!) for n from 0 to `most`."""
    return np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, most + 1)))])


def binomial_cdf(
    most: NDArray[np.int64], trials: NDArray[np.int64], chance: float, factorials: Array
) -> Array:
    """Return the probability of at most so many successes.

    Args:
        most: successes, below 0 for a probability of 0.
        trials: of each, shape as `most`.
        chance: of a success, above 0 and below 1.
        factorials: `log_factorials` up to the most trials.
    """
    found = np.where(most >= trials, 1.0, 0.0)
    inside = (most >= 0) & (most < trials)
    # P(X <= k) of n trials is the beta function of (n - k, k + 1) at 1 - chance.
    a, b = (trials - most)[inside], (most + 1)[inside]
    front = factorials[a + b - 1] - factorials[a - 1] - factorials[b - 1]
    front = np.exp(front + a * np.log1p(-chance) + b * np.log(chance))
    fast = 1 - chance < (a + 1) / (a + b + 2)  # where the fraction converges; else by symmetry
    first, second = np.where(fast, a, b), np.where(fast, b, a)
    part = front * _fraction(first, second, np.where(fast, 1 - chance, chance)) / first
    found[inside] = np.where(fast, part, 1 - part)
    return found


def _fraction(a: NDArray[Any], b: NDArray[Any], x: Array) -> Array:
    """Return the continued fraction of the incomplete beta function."""
    upper: Array = np.ones(len(a))
    first: Array = 1 - (a + b) * x / (a + 1)
    lower = 1 / _off_zero(first)
    value = lower.copy()
    for step in range(1, _STEPS):
        even = step * (b - step) * x / ((a + 2 * step - 1) * (a + 2 * step))
        odd = -(a + step) * (a + b + step) * x / ((a + 2 * step) * (a + 2 * step + 1))
        for term in (even, odd):
            lower = 1 / _off_zero(np.asarray(1 + term * lower))
            upper = _off_zero(np.asarray(1 + term / upper))
            change = upper * lower
            value = value * change
        if not len(change) or float(np.abs(change - 1).max()) < _PRECISION:
            break
    return value


def _off_zero(values: Array) -> Array:
    return np.where(np.abs(values) < _TINY, _TINY, values)
