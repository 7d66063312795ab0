"""How a simulated board differs from its cost table, and from what accounting assumes.

A board that does exactly what its table says cannot tell whether what is built on the table is
any good. So the truth behind a simulated board is off: each size below has its reason beside it,
and what a size comes to on one board is drawn by the board's seed. `IDEAL` takes all of it away.
"""

from dataclasses import dataclass, replace
from random import Random

from edge_infer.boards.cost_table import OperatingPoint
from edge_infer.boards.simulated.supply import Ripple

MOST_DEVIATIONS = 2.0
"""Standard deviations at which what is drawn once for a board ends: no board is absurd."""
TAIL_LEAST = 0.05
"""Least part that an invocation takes longer which was held up."""

PERMITTED_RIPPLE = Ripple(0.004, 0.008)
"""120 mV peak to peak of 5.1 V are allowed (Raspberry Pi 15.3 W USB-C power supply, product
brief): a third of it at twice the mains' frequency, two thirds fast."""


@dataclass(frozen=True, slots=True)
class Truth:
    """The sizes of what a cost table leaves out; 0 takes one away."""

    stage_time: float = 0.04
    """Standard deviation of a stage's mean time about its row, as a share: half of the 10 % that
    a cost model may be off by in the median, on a table that nobody measured on this very board."""
    stage_power: float = 0.05
    """The same of what a stage draws above idle: 48 int8 and float32 nets on one Raspberry Pi 4
    draw 3.38 W +- 4 % and 2.88 W +- 8 % above idle (MLPerf Inference v1.0, Krai)."""
    point: float = 0.015
    """The same of both once more, for each clock and number of threads by itself: memory does not
    follow the clock (published n-body and 7-zip times over clocks differ from 1/f by 1 to 2 %)."""
    operator_power: float = 0.15
    """Standard deviation of an operator's power within its stage: whole nets, which are means
    over some 50 operators of a few kinds, differ by 4 to 8 %."""
    memory_bound: float = 0.8
    """Factor on the power of operators that wait for memory: a core that stalls draws about a
    fifth less (Pi 4, float32 against int8 above: 2.88 of 3.38 W). 1 takes it away."""
    jitter: float = 0.004
    """Standard deviation of one invocation's time: nearly all within 1 % (timer ticks, caches)."""
    tail: float = 0.002
    """Share of invocations that are held up by the scheduler or by interrupts."""
    tail_most: float = 0.5
    """Greatest part that such a one takes longer, evenly spread from `TAIL_LEAST` on; the mean
    over the least latency of those 48 nets over 600 s is 1.09 (float32) and 1.15 (int8)."""
    tail_most_ns: int = 4_000_000
    """But never longer than a slice of the scheduler (Linux, CFS: sched_min_granularity and
    above)."""
    process_hz: float = 1.0
    """Other processes that wake up a second: an idle Linux has a load of about 1 %."""
    process_ns: int = 10_000_000
    """Mean length of such a one, exponential; it keeps one core busy."""
    process_slowdown: float = 1.05
    """Factor on a stage's time meanwhile, for the memory they share."""
    process_crowding: float = 1.5
    """Instead of that where the stage's threads take up every core: one of them has half a core,
    and the others wait for it half of the time."""
    idle_clock: float = 0.005
    """Power of an idle core at a clock over that of a busy one there: 250 timer ticks a second of
    some 20 us (Linux, CONFIG_HZ_250 of Raspberry Pi OS). It is about 10 mW between the lowest and
    the highest clock of a Raspberry Pi 5: no 'significant power savings' at a lower clock, as its
    documentation has it, and not none."""
    leakage: float = 0.05
    """Leakage at the temperature of an idle board, as a share of idle power."""
    doubling_k: float = 30.0
    """Warming that doubles leakage: exponential from 20 to 85 degC on two application processors
    (De Vogeleer et al., arXiv 1404.3381)."""
    kelvin_per_watt: float = 3.0
    """Warming by a watt above idle: a bare Raspberry Pi 4 goes from 54.7 to 65.8 degC when four
    cores add 3.7 W (pi-plates.com, THERMOplate)."""
    warming_ns: int = 100_000_000_000
    """Time constant of that: the same record settles within six minutes."""
    ambient_k: float = 1.0
    """Amplitude of the air's temperature, which comes and goes in `ambient_ns`: a room."""
    ambient_ns: int = 600_000_000_000
    regulation: float = 0.01
    """Standard deviation of a supply's mean voltage about its nominal one: 5 % are allowed (the
    same brief). The meter was calibrated on other supplies, so its steps of 4 mV lie elsewhere."""
    ripple: Ripple = PERMITTED_RIPPLE
    """On the supply voltage."""

    @property
    def surrounded(self) -> bool:
        """Whether anything happens that no work causes."""
        return bool(self.process_hz or self.leakage)

    @property
    def jitters(self) -> bool:
        """Whether one invocation takes another time than the next."""
        return bool(self.jitter or self.tail)

    def slowdown(self, threads: int, cores: int) -> float:
        """Return the factor on a stage's time while another process runs."""
        return self.process_crowding if threads >= cores else self.process_slowdown


DISTURBED = Truth()
"""What a simulated board is by default."""
IDEAL = replace(
    DISTURBED, stage_time=0, stage_power=0, point=0, operator_power=0, memory_bound=1, jitter=0,
    tail=0, process_hz=0, idle_clock=0, leakage=0, regulation=0, ripple=Ripple(),
)  # fmt: skip
"""A board that does what its cost table says, and nothing else."""


@dataclass(frozen=True, slots=True)
class RowError:
    """How the truth of one stage differs from its row: factors on time and power."""

    time: float = 1.0
    power: float = 1.0
    """On what the stage draws above idle."""


def drawn(random: Random, deviation: float) -> float:
    """Return a factor about 1 that stays what it is for a board."""
    most = MOST_DEVIATIONS * deviation
    return 1 + min(max(random.gauss(0, deviation), -most), most)


def row_error(truth: Truth, seed: int, stage: str, point: OperatingPoint) -> RowError:
    """Return how a stage of a board differs from its row at a point."""
    if not (truth.stage_time or truth.stage_power or truth.point):
        return RowError()
    own, here = Random(f"{seed} {stage}"), Random(f"{seed} {stage} {point}")
    time, power = drawn(own, truth.stage_time), drawn(own, truth.stage_power)
    return RowError(time * drawn(here, truth.point), power * drawn(here, truth.point))


DRAWS = 4096
"""Factors that are drawn once for a board; invocations take one of them by chance."""


class Jitter:
    """Times of single invocations, in the order in which they run."""

    def __init__(self, truth: Truth, seed: int) -> None:
        random = Random(f"{seed} jitter")
        self._random = random.random
        self._most_ns = truth.tail_most_ns
        late = round(truth.tail * DRAWS)
        self._factors = [1 + random.gauss(0, truth.jitter) for _ in range(DRAWS - late)]
        self._factors += [1 + random.uniform(TAIL_LEAST, truth.tail_most) for _ in range(late)]

    def time_ns(self, mean_ns: float) -> int:
        """Return the time of one invocation of a stage that takes `mean_ns`."""
        late_ns = mean_ns * (self._factors[int(self._random() * DRAWS)] - 1)
        return max(1, round(mean_ns + (late_ns if late_ns < self._most_ns else self._most_ns)))
