"""A solved plan: which operating point to choose when."""

from bisect import bisect_left
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from runtime.plan_problem import PlanProblem


@dataclass(frozen=True)
class Plan:
    """Which point to choose, by time since arrival, clock in force and belief."""

    problem: PlanProblem
    ages_ns: tuple[int, ...]
    """Times since arrival that are told apart, ascending from 0: the slots."""
    penalty_nj: float
    net_nj_per_frame: float
    """Expected, at the solution's precision."""
    miss_rate: float
    """Expected share of frames that answer late."""
    first: NDArray[np.uint8]
    """Point of the first stage: [kind, clock, slot]."""
    later: tuple[NDArray[np.uint8], ...]
    """Point of each later stage: [bin, clock, slot]."""
    idle: NDArray[np.uint8]
    """Clock to wait at when no frame is waiting: [clock, slot]."""
    values: NDArray[np.float64]
    """Relative values before a frame, to start the next solution from: [2, clock, slot]."""

    def slot_of(self, age_ns: int) -> int:
        """Return the slot of a time since arrival, rounded up; the last one holds all beyond."""
        return min(bisect_left(self.ages_ns, age_ns), len(self.ages_ns) - 1)
