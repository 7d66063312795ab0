"""Estimates with intervals, and the least squares that give them."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_T95 = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.20, 2.18, 2.16, 2.14, 2.13,
        2.12, 2.11, 2.10, 2.09, 2.09)  # fmt: skip
"""Student's t at 95 % on both sides, for 1 degree of freedom on."""


class Estimate(NamedTuple):
    """A value and what it lies in, at about 95 %."""

    value: float
    low: float
    high: float

    @property
    def half(self) -> float:
        """Half the width of the interval."""
        return (self.high - self.low) / 2

    def times(self, factor: float) -> "Estimate":
        """Return it in another unit; the factor is above 0."""
        return Estimate(*(each * factor for each in self))

    def wider(self, by: float) -> "Estimate":
        """Return it with `by` more on both sides: what no average takes away."""
        return Estimate(self.value, self.low - by, self.high + by)


def student(degrees: int) -> float:
    """Return Student's t for an interval of 95 %."""
    if degrees < 1:
        return 30.0
    return _T95[degrees - 1] if degrees <= len(_T95) else 1.96 + 2.5 / degrees


def mean_of(values: Sequence[float]) -> Estimate:
    """Return the mean of values that are each off by themselves."""
    mean, n = math.fsum(values) / len(values), len(values)
    if n < 2:
        return Estimate(mean, mean, mean)
    variance = math.fsum((value - mean) ** 2 for value in values) / (n - 1)
    half = student(n - 1) * math.sqrt(variance / n)
    return Estimate(mean, mean - half, mean + half)


def least_squares(
    rows: Sequence[Sequence[float]],
    values: Sequence[float],
    scales: Sequence[float],
    groups: Sequence[str] = (),
) -> tuple[list[Estimate], float]:
    """Return the coefficients of a linear model, and the standard deviation of what it leaves.

    Args:
        rows: what each value is a sum of, shape [n, k].
        values: shape [n].
        scales: what each value is off by in proportion to, shape [n].
        groups: names of values that may be off together; each is off by itself by default.
    """
    weights = 1 / np.asarray(scales, float)
    matrix = np.asarray(rows, float) * weights[:, None]
    target = np.asarray(values, float) * weights
    found, *_ = np.linalg.lstsq(matrix, target, rcond=None)
    degrees = len(values) - len(found)
    left = target - matrix @ found
    deviation = math.sqrt(float(left @ left) / max(1, degrees))
    errors = _errors(matrix, left, groups or [str(index) for index in range(len(values))])
    if not groups:
        spreads = np.sqrt(np.clip(np.diag(np.linalg.pinv(matrix.T @ matrix)), 0, None))
        errors = np.maximum(errors, deviation * spreads * student(degrees))
    return [
        Estimate(float(v), float(v - e), float(v + e)) for v, e in zip(found, errors, strict=True)
    ], deviation


def _errors(
    matrix: NDArray[np.float64], left: NDArray[np.float64], groups: Sequence[str]
) -> NDArray[np.float64]:
    """Return half the intervals of coefficients, by what is left in each group of values.

    The sandwich estimator with clusters (Liang and Zeger, Biometrika 73, 1986).
    """
    bread = np.linalg.pinv(matrix.T @ matrix)
    members: dict[str, list[int]] = {}
    for index, group in enumerate(groups):
        members.setdefault(group, []).append(index)
    scores = [matrix[which].T @ left[which] for which in members.values()]
    count, terms = len(scores), matrix.shape[1]
    meat = sum((np.outer(score, score) for score in scores), np.zeros((terms, terms)))
    covariance = bread @ meat @ bread * count / max(1, count - terms)
    half: NDArray[np.float64] = np.sqrt(np.clip(np.diag(covariance), 0, None))
    return half * student(count - terms)
