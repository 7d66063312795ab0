"""Feedback over many inferences: how the board and the arrivals differ from what was planned with.

Every gain is bounded and every estimate is clipped, so that no input can make it run away:
`Slowdown` follows the ratio of measured to tabled stage times, `Reserve` holds back a part of the
deadline while too many frames miss it, `ArrivalRate` follows the gaps between arrivals, and
`ClockCap` remembers a clock that the board does not give.
"""

import math
from dataclasses import dataclass, field

from boards.operating_point import OperatingPoint

FAST_GAIN, SLOW_GAIN = 0.3, 0.05
LEAST_FACTOR, MOST_FACTOR = 0.25, 8.0
DRIFT = 0.04
"""Relative change of the slowdown that a plan is solved anew for."""


@dataclass
class Slowdown:
    """Measured over tabled time: one factor for the board, times one for each point.

    Exponential averages: the common factor follows fast, what a point differs by slowly.
    """

    common: float = 1.0
    points: dict[OperatingPoint, float] = field(default_factory=dict)

    def add(self, point: OperatingPoint, ratio: float) -> None:
        """Take the ratio of one stage's measured to its tabled time at a point."""
        ratio = min(max(ratio, LEAST_FACTOR), MOST_FACTOR)
        own = self.points.get(point, 1.0)
        self.common += FAST_GAIN * (ratio / own - self.common)
        self.points[point] = own + SLOW_GAIN * (ratio / self.common - own)

    def factor(self, point: OperatingPoint) -> float:
        """Return the factor to plan with at a point."""
        factor = self.common * self.points.get(point, 1.0)
        return min(max(factor, LEAST_FACTOR), MOST_FACTOR)


@dataclass
class Reserve:
    """A part of the deadline that plans may not use, while misses are above the bound.

    The stochastic approximation of a quantile (Robbins and Monro, Annals of Mathematical
    Statistics 22, 1951): a miss adds `gain` x (1 - bound), a hit takes `gain` x bound, so at rest
    the share of misses is the bound; never below 0, so that no plan is loosened.
    """

    bound: float
    gain: float = 0.02
    most: float = 0.3
    share: float = 0.0
    """Of the deadline."""

    def add(self, missed: bool) -> None:
        """Take one frame's outcome."""
        step = self.gain * (missed - self.bound)
        self.share = min(max(self.share + step, 0.0), self.most)


@dataclass
class ArrivalRate:
    """The mean gap between arrivals against the planned one, in batches.

    A batch counts when its mean differs by more than 5 % and by more than four standard errors.
    """

    planned_ns: float
    batch: int = 128
    factor: float = 1.0
    """Mean gap over the planned one."""
    _last_ns: int | None = None
    _count: int = 0
    _sum: float = 0.0
    _squares: float = 0.0

    def add(self, arrival_ns: int) -> bool:
        """Take an arrival; return True when `factor` has changed."""
        before_ns, self._last_ns = self._last_ns, arrival_ns
        if before_ns is None or not self.planned_ns:
            return False
        gap = (arrival_ns - before_ns) / self.planned_ns
        self._count += 1
        self._sum += gap
        self._squares += gap * gap
        return self._count >= self.batch and self._judge()

    def _judge(self) -> bool:
        mean = self._sum / self._count
        variance = max(self._squares / self._count - mean * mean, 0.0)
        error = math.sqrt(variance / self._count)
        self._count, self._sum, self._squares = 0, 0.0, 0.0
        if abs(mean - self.factor) <= max(0.05 * self.factor, 4 * error):
            return False
        self.factor = min(max(mean, 0.05), 20.0)
        return True


@dataclass
class ClockCap:
    """The highest clock that the board gives, when it gives less than was asked for.

    After a while the higher clocks are tried again, each time after twice as long.
    """

    khz: int | None = None
    patience: int = 500
    """Frames until higher clocks are tried again."""
    _waited: int = 0

    def add(self, asked_khz: int, got_khz: int) -> bool:
        """Take one stage's asked and real clock; return True when the cap has changed."""
        if got_khz < asked_khz and (self.khz is None or got_khz < self.khz):
            self.khz, self._waited = got_khz, 0
            return True
        return False

    def frame(self) -> bool:
        """Count a frame; return True when the cap is lifted for a trial."""
        if self.khz is None:
            return False
        self._waited += 1
        if self._waited < self.patience:
            return False
        self.khz = None
        self.patience = min(2 * self.patience, 16_000)
        return True
