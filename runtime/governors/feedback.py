"""Feedback over many inferences: how the board and the arrivals differ from what was planned with.

Every gain is bounded and every estimate is clipped, so that no input can make it run away:
`Slowdown` follows the ratio of measured to tabled stage times, `Reserve` holds back a part of the
deadline while too many frames miss it, `ArrivalRate` follows the gaps between arrivals, and
`ClockCap` remembers a clock that the board does not give.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from edge_infer.boards.cost_table import OperatingPoint

BOARD_GAIN, POINT_GAIN = 0.4, 0.1
FORGETTING = 0.02
"""Part of what a point differs by that is forgotten with each stage seen there."""
CAPPED = 1.15
"""A higher clock that is slower than its table by this factor against a lower clock in the same
frame is not really given."""
LEAST_FACTOR, MOST_FACTOR = 0.25, 8.0
DRIFT = 0.04
"""Relative change of the slowdown that a plan is solved anew for."""


@dataclass
class Slowdown:
    """Measured over tabled time: one factor for the board, times one for each point.

    Least mean squares on the logarithms (Widrow and Hoff, 1960): of each surprise the board takes
    the larger part, so that points that were not seen follow what slows all of them.
    """

    board: float = 0.0
    """Logarithm of the common factor."""
    points: dict[OperatingPoint, float] = field(default_factory=dict)
    """Logarithms of what single points differ by."""

    def add(self, point: OperatingPoint, ratio: float) -> None:
        """Take the ratio of one stage's measured to its tabled time at a point."""
        seen = math.log(min(max(ratio, LEAST_FACTOR), MOST_FACTOR))
        own = self.points.get(point, 0.0)
        surprise = seen - self.board - own
        self.board += BOARD_GAIN * surprise
        self.points[point] = (1 - FORGETTING) * own + POINT_GAIN * surprise

    def factor(self, point: OperatingPoint) -> float:
        """Return the factor to plan with at a point."""
        factor = math.exp(self.board + self.points.get(point, 0.0))
        return min(max(factor, LEAST_FACTOR), MOST_FACTOR)


@dataclass
class Reserve:
    """A part of the deadline that plans may not use, while misses are above the bound.

    The stochastic approximation of a quantile (Robbins and Monro, Annals of Mathematical
    Statistics 22, 1951): a miss adds `gain` x (1 - bound), a hit takes `gain` x bound, so at rest
    the share of misses is the bound; never below 0, so that no plan is loosened. Plans are solved
    for whole steps of it; a step for which no plan keeps the bound is not taken.
    """

    bound: float
    gain: float = 0.01
    step: float = 0.02
    most: float = 0.2
    share: float = 0.0
    """Of the deadline."""

    def add(self, missed: bool) -> None:
        """Take one frame's outcome."""
        change = self.gain * (missed - self.bound)
        self.share = min(max(self.share + change, 0.0), self.most)

    @property
    def level(self) -> float:
        """The part to plan with: whole steps."""
        return math.floor(self.share / self.step + 1e-9) * self.step

    def refuse(self) -> None:
        """Go back below the present step for good: it cannot be planned with."""
        self.most = max(0.0, self.level - self.step / 2)
        self.share = min(self.share, self.most)


@dataclass
class ArrivalRate:
    """The mean gap between arrivals against the planned one, in batches.

    A batch counts when its mean differs by more than 5 % and by more than five standard errors.
    """

    planned_ns: float
    batch: int = 256
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
        if abs(mean - self.factor) <= max(0.05 * self.factor, 5 * error):
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

    def infer(self, ratios: Mapping[int, float], clocks_khz: Sequence[int]) -> bool:
        """Find a cap that the board does not tell of; return True when the cap has changed.

        Args:
            ratios: measured over tabled time in one frame, by clock.
            clocks_khz: that there are, ascending.
        """
        lowest = min(ratios)
        for khz, ratio in ratios.items():
            if ratio > CAPPED * ratios[lowest]:
                real_khz = 1.03 * khz * ratios[lowest] / ratio
                given = [own for own in clocks_khz if own <= real_khz]
                return self.add(khz, max(given, default=clocks_khz[0]))
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


ENOUGH = 3.0
"""Misses saved up at which spending begins; it ends below one: each turn costs changes of clock."""
PAID_BACK = 1.0
"""Misses that must be left again before the strict plan ends: the change itself may cost one."""
LEAST, MOST_MARGIN = -50.0, 20.0
"""What may be owed, the rest is forgiven; and the widest margin."""
FORGETTING = 5e-4
"""Part of the margin that is forgotten with each frame."""
UNSPENT, MOST_UNSPENT = 0.05, 10.0
"""Part of what may be spent that lies above it, below the bound; and how many misses of it may be
owed at most."""


@dataclass
class MissBucket:
    """An account of misses: every frame that arrives pays in the bound, every miss takes one out.

    Once some are saved up the eager plan runs until less than one is left, so in the long run the
    mixture of the two plans misses exactly what is allowed, whatever the share of misses of either
    (a token bucket: Turner, IEEE Communications Magazine 24(10), 1986). Misses may come several at
    once: by how much the account was overdrawn lately stays in it as a margin. The balance cannot
    run away.

    The careful plan keeps the bound if frames leave where they were expected to. Where they do not,
    it is overdrawn, and the strict plan pays back. After n frames at most what may be spent plus
    one has been missed, or the bound if that is more, as far as misses come one at a time and the
    strict plan has none.
    """

    bound: float
    """Share of frames that may miss."""
    tokens: float = 0.0
    margin: float = 0.0
    """Misses that are not spent: what was lately owed at worst."""
    spends: bool = False
    """True while the eager plan is to run."""
    unspent: float = 0.0
    """Misses below the bound that are not for spending."""
    overdrawn: bool = False
    """True while the strict plan is to run."""
    _next_frame: int | None = None

    def add(self, number: int, missed: bool) -> None:
        """Take the outcome of a frame.

        Args:
            number: of the frame: those that were passed over were pushed out of the queue, and
                each of them is a miss.
            missed: it was answered late.
        """
        expected = number if self._next_frame is None else self._next_frame
        self._next_frame = number + 1
        pushed_out = max(number - expected, 0)
        paid_in = self.bound * (pushed_out + 1)
        self.tokens += paid_in - pushed_out - missed
        self.margin = max(self.margin * (1 - FORGETTING), min(-self.tokens, MOST_MARGIN))
        self.tokens = min(max(self.tokens, LEAST), ENOUGH + self.margin + 1)
        self.spends = self.tokens >= self.margin + (1.0 if self.spends else ENOUGH)
        self.unspent = min(self.unspent + UNSPENT * paid_in, MOST_UNSPENT)
        left = self.tokens + max(self.unspent - 1.0, 0.0)
        self.overdrawn = left < (PAID_BACK if self.overdrawn else 0.0)

    def forfeit(self) -> None:
        """Drop what is saved up: it was earned on a board that is another now."""
        self.tokens, self.spends = min(self.tokens, 0.0), False
