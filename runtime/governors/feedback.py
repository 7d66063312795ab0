"""Feedback over many inferences: how the board and the arrivals differ from what was planned with.

`Slowdown`     measured over tabled stage times, so that plans hold for the board as it is
`Reserve`      a part of the deadline that plans leave unused while too many frames miss it
`ArrivalRate`  the mean gap between arrivals
`ClockCap`     the highest clock that the board really gives
`MissBucket`   which plan of a `PlanSet` runs, so that misses come to the bound and no further

Every gain is bounded and every estimate clipped: no input makes one of them run away.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from edge_infer.boards.cost_table import OperatingPoint

BOARD_GAIN, POINT_GAIN, STAGE_GAIN = 0.4, 0.1, 0.1
MOST_SURPRISE = 0.05
"""Logarithm that a stage counts for at most, since one that was held up by the system is no trend;
twice as much with each in turn that goes beyond on the same side."""
POINT_FORGETTING = 0.02
"""Part of what a point differs by that is forgotten with each stage seen there."""
CAPPED = 1.15
"""A higher clock that is slower than its table by this factor against a lower clock in the same
frame is not really given."""
CAP_FRAMES = 3
"""Frames in a row that must say so: a stage may be held up once by the system."""
LEAST_FACTOR, MOST_FACTOR = 0.25, 8.0
DRIFT = 0.06
"""Relative change of the slowdown that a plan is solved anew for: another process that shares the
memory for some milliseconds makes stages about 5 % slower."""
SLIGHT_DRIFT, SLIGHT_FRAMES = 0.02, 300
"""The same where it lasts that many frames: solved for in a moment that was not like the others."""
StageKey = tuple[str, int]
"""Pruning ratio and index of a stage."""


@dataclass
class Slowdown:
    """Measured over tabled time: one factor for the board, times one for each point and stage.

    Least mean squares on the logarithms (Widrow and Hoff, 1960): of each surprise the board takes
    the larger part, so that points that were not seen follow what slows all of them. A stage keeps
    what its row is off by, or else the board would go up and down with where frames leave.
    """

    board: float = 0.0
    """Logarithm of the common factor."""
    points: dict[OperatingPoint, float] = field(default_factory=dict)
    """Logarithms of what single points differ by."""
    stages: dict[StageKey, float] = field(default_factory=dict)
    """Logarithms of what single stages differ by."""
    _beyond: int = 0
    """How many stages in turn were more of a surprise than may count, below 0 for faster ones."""

    def add(self, point: OperatingPoint, ratio: float, stage: StageKey | None = None) -> None:
        """Take the ratio of one stage's measured to its tabled time at a point."""
        seen = math.log(min(max(ratio, LEAST_FACTOR), MOST_FACTOR))
        own = self.points.get(point, 0.0)
        surprise = self._clipped(seen - self._logarithm(point, stage))
        self.board += BOARD_GAIN * surprise
        self.points[point] = (1 - POINT_FORGETTING) * own + POINT_GAIN * surprise
        if stage is not None:
            self.stages[stage] = self.stages.get(stage, 0.0) + STAGE_GAIN * surprise

    def factor(self, point: OperatingPoint, stage: StageKey | None = None) -> float:
        """Return the factor to plan with at a point; of one stage, or of all alike."""
        factor = math.exp(self._logarithm(point, stage))
        return min(max(factor, LEAST_FACTOR), MOST_FACTOR)

    def copy(self) -> "Slowdown":
        """Return what is known now, to compare with later."""
        return Slowdown(self.board, dict(self.points), dict(self.stages))

    def _clipped(self, surprise: float) -> float:
        side = 1 if surprise > 0 else -1
        in_turn = max(0, self._beyond * side)
        most: float = MOST_SURPRISE * 2.0**in_turn
        self._beyond = side * (in_turn + 1) if abs(surprise) > most else 0
        return min(max(surprise, -most), most)

    def _logarithm(self, point: OperatingPoint, stage: StageKey | None) -> float:
        own = 0.0 if stage is None else self.stages.get(stage, 0.0)
        return self.board + self.points.get(point, 0.0) + own


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
    level: float = 0.0
    """The part to plan with: whole steps. It falls half a step late, or it would go to and fro, and
    each change of plan costs changes of clock."""

    def add(self, missed: bool) -> None:
        """Take one frame's outcome."""
        change = self.gain * (missed - self.bound)
        self.share = min(max(self.share + change, 0.0), self.most)
        steps = self._whole_steps()
        if steps > self.level or self.share < self.level - self.step / 2:
            self.level = steps

    def refuse(self) -> None:
        """Go back below the present step for good: it cannot be planned with."""
        self.most = max(0.0, self.level - self.step / 2)
        self.share = min(self.share, self.most)
        self.level = self._whole_steps()

    def _whole_steps(self) -> float:
        return math.floor(self.share / self.step + 1e-9) * self.step


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
    _suspected: int = 0

    def add(self, asked_khz: int, got_khz: int) -> bool:
        """Take one stage's asked and real clock; return True when the cap has changed."""
        if got_khz < asked_khz and (self.khz is None or got_khz < self.khz):
            self.khz, self._waited = got_khz, 0
            return True
        return False

    def infer(self, ratios: Mapping[int, float], clocks_khz: Sequence[int]) -> bool:
        """Find a cap that the board does not tell of; return True when the cap has changed.

        Args:
            ratios: measured over tabled time in one frame, by clock; of one number of threads.
            clocks_khz: that there are, ascending.
        """
        lowest = min(ratios)
        slow = [khz for khz, ratio in ratios.items() if ratio > CAPPED * ratios[lowest]]
        self._suspected = self._suspected + 1 if slow else 0
        if self._suspected < CAP_FRAMES:
            return False
        real_khz = 1.03 * slow[0] * ratios[lowest] / ratios[slow[0]]
        given = [own for own in clocks_khz if own <= real_khz]
        return self.add(slow[0], max(given, default=clocks_khz[0]))

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
"""Tokens at which the cheaper plan begins; it ends below one. A change of plan costs switches."""
PAID_BACK = 1.0
"""Tokens at which the backup plan ends: the change of plan itself may cost a miss."""
LEAST, MOST_MARGIN = -50.0, 20.0
"""The bucket is no emptier than the first, and keeps back no more than the second."""
MARGIN_FORGETTING = 5e-4
"""Part of the margin that is forgotten with each frame."""
UNSPENT, MOST_UNSPENT = 0.05, 10.0
"""Credit beside the bucket, for the backup plan alone: its part of the rate, and its depth."""


@dataclass
class MissBucket:
    """Chooses between the plans of a `PlanSet` by a token bucket of misses.

    A token is a miss (Turner, IEEE Communications Magazine 24(10), 1986). Each frame that arrives
    adds `bound` tokens, each miss takes one. With `ENOUGH` of them the cheaper plan runs, until
    less than one is left: so the mixture of the two plans uses the bound up, whatever either
    misses. Below zero the backup plan runs until the debt is paid back: that happens where frames
    leave later than was planned with, since otherwise the feasible plan keeps the bound by itself.

    Misses come in bursts, when one late frame delays the next. How deep the bucket was in debt
    lately is kept back from spending, and forgotten slowly. As far as misses come one at a time and
    the backup plan has none, n frames miss at most `bound` * n + max(1, `unspent`).
    """

    bound: float
    """Share of frames that may miss: tokens a frame."""
    tokens: float = 0.0
    """In the bucket; below 0 a debt."""
    margin: float = 0.0
    """Tokens kept back: the worst debt of late."""
    spends: bool = False
    """True while the cheaper plan is to run."""
    unspent: float = 0.0
    """Credit beside the bucket, between what may be spent and the bound itself."""
    overdrawn: bool = False
    """True while the backup plan is to run."""
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
        self.margin = max(self.margin * (1 - MARGIN_FORGETTING), min(-self.tokens, MOST_MARGIN))
        self.tokens = min(max(self.tokens, LEAST), ENOUGH + self.margin + 1)
        self.spends = self.tokens >= self.margin + (1.0 if self.spends else ENOUGH)
        self.unspent = min(self.unspent + UNSPENT * paid_in, MOST_UNSPENT)
        left = self.tokens + max(self.unspent - 1.0, 0.0)
        self.overdrawn = left < (PAID_BACK if self.overdrawn else 0.0)

    def forfeit(self) -> None:
        """Drop saved tokens, not debts: they were earned on a board that was faster or slower."""
        self.tokens, self.spends = min(self.tokens, 0.0), False
