"""The ages of a frame (times since its arrival) that a planner solves for, and their coupling."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge_infer.runtime.planning.problem import PlanProblem

Array = NDArray[np.float64]

DRAWS = 4096
"""Sums of gaps that the probability of an overflow of the queue is estimated from."""


def age_grid_ns(problem: PlanProblem, steps: int) -> tuple[int, ...]:
    """Return the age grid, ascending from 0.

    Even steps up to the deadline and somewhat beyond, and the ages that a frame has reached after
    each stage at one point all the way.
    """
    ages = set(even_grid_ns(problem, steps))
    last_ns = max(ages)
    for point, clock in enumerate(problem.clock_of):
        for start_ns in (0, problem.switch_ns):
            age_ns = start_ns
            for stage, row in enumerate(problem.time_ns):
                age_ns += row[point]
                ages.add(age_ns)
                if stage == 0:
                    age_ns += problem.plan_ns[clock]
                    ages.add(age_ns)
    return tuple(sorted(age for age in ages if age <= last_ns))


def even_grid_ns(problem: PlanProblem, steps: int) -> tuple[int, ...]:
    """Return even steps of age up to the deadline and somewhat beyond, and the deadline."""
    step_ns = max(1, math.ceil(problem.deadline_ns / steps))
    slowest_ns = sum(max(row) for row in problem.time_ns)
    last_ns = problem.deadline_ns + min(slowest_ns, problem.deadline_ns // 2) + step_ns
    return tuple(sorted({0, problem.deadline_ns, *range(step_ns, last_ns, step_ns)}))


class GapCoupling:
    """From the age that a frame ends at to that at which the next one starts.

    Args:
        gaps_ns: equally likely gaps between arrivals, at least one.
        ages_ns: the age grid.
        switch_ns: time of a change of clock.
    """

    def __init__(self, gaps_ns: Sequence[int], ages_ns: Array, switch_ns: int) -> None:
        gaps = np.array(gaps_ns, float)[:, None]
        waits = ages_ns < gaps
        self._lags = np.where(waits, -1, _next_age(ages_ns, ages_ns - gaps))
        after = ages_ns + switch_ns - gaps
        self._switched = np.where(waits, _next_age(ages_ns, after), -1)
        self.waiting: Array = waits.mean(axis=0)
        """Probability that the next frame has not arrived."""
        self.wait_ns: Array = np.maximum(gaps - ages_ns, 0.0).mean(axis=0)
        """Expected wait for it."""
        self.short_wait_ns: Array = np.maximum(-after, 0.0).mean(axis=0)
        """Expected wait after a change of clock."""

    def arrived(self, values: Array) -> Array:
        """Return the values [..., age] at the lag of a next frame that has arrived already."""
        return _mean_at(values, self._lags)

    def changing(self, values: Array) -> Array:
        """Return the values [..., age] after a change of clock in the wait for the next frame."""
        return _mean_at(values, self._switched)


def overflow_odds(gaps_ns: Sequence[int], ages_ns: Array, limit: int) -> Array:
    """Return the probability, by age, that so many further frames have arrived by then.

    Sums of gaps are drawn with a fixed seed: of equal gaps they are exact.
    """
    drawn = np.random.default_rng(0).choice(np.array(gaps_ns, float), (DRAWS, limit))
    odds: Array = np.searchsorted(np.sort(drawn.sum(axis=1)), ages_ns, side="right") / DRAWS
    return odds


def _next_age(ages_ns: Array, wanted_ns: Array) -> NDArray[np.intp]:
    """Return the index of the first age that is no earlier; the last age holds all beyond."""
    return np.minimum(np.searchsorted(ages_ns, np.maximum(wanted_ns, 0.0)), len(ages_ns) - 1)


def _mean_at(values: Array, index: NDArray[np.intp]) -> Array:
    """Return the mean over the rows of an index of the values there; 0 where it is -1."""
    found = np.zeros_like(values)
    for row in index:
        inside = row >= 0
        found[..., inside] += values[..., row[inside]]
    return found / len(index)
