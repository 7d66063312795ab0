"""The kernel's governors, by their published rules: they look at utilisation, not at frames.

ondemand and conservative: drivers/cpufreq/cpufreq_governor.c, cpufreq_ondemand.c (od_update) and
cpufreq_conservative.c (cs_dbs_update) of Linux 6.6. schedutil: kernel/sched/cpufreq_schedutil.c
(sugov_update_shared). Its utilisation is PELT's (kernel/sched/pelt.c), scaled by the clock (arm64
is frequency-invariant), with the task's estimate while it runs (util_est: kernel/sched/fair.c). I/O
boosts and other scheduling classes play no part.
"""

import math
from abc import abstractmethod
from collections.abc import Sequence

from edge_infer.boards.cost_table import OperatingPoint
from edge_infer.runtime.governors.governor import Governor
from edge_infer.runtime.records import ExitDecision, Frame, StageResult


class TickingGovernor(Governor):
    """A governor driven by time: it learns when the processor is busy, and is asked at each tick.

    The rules are those of Linux 6.6 with its default tunables, for one policy with one task on
    one of its processors. While the processor idles there is no tick (NO_HZ); a wake-up and the
    scheduler's tick (HZ=250) are when the kernel looks.

    Args:
        points: one per clock, ascending.
        transition_ns: the driver's transition latency.
    """

    SCHEDULER_TICK_NS = 4_000_000
    """CONFIG_HZ=250, as Raspberry Pi OS has it."""

    def __init__(self, points: Sequence[OperatingPoint], transition_ns: int) -> None:
        self.points = tuple(points)
        self.khz = tuple(point.clock_khz for point in points)
        self.index = len(points) - 1
        self.next_tick_ns = 0
        # drivers/cpufreq/cpufreq.c, cpufreq_policy_transition_delay_us: 1000 times the latency,
        # at most 10 ms; 1 ms where the driver states none.
        latency_us = transition_ns // 1000
        self.delay_ns = min(latency_us * 1000, 10_000) * 1000 if latency_us else 1_000_000

    @abstractmethod
    def look(self, now_ns: int) -> None:
        """Decide on `index` if it is time to."""

    @abstractmethod
    def account(self, now_ns: int, busy: bool) -> None:
        """Take note that the processor was busy or idle since the last call."""

    def busy_from(self, now_ns: int) -> OperatingPoint:
        """The task wakes up: account for the idle time and look."""
        self.account(now_ns, busy=False)
        self.look(now_ns)
        self.next_tick_ns = now_ns + self.SCHEDULER_TICK_NS
        return self.points[self.index]

    def tick(self, now_ns: int) -> OperatingPoint:
        """The scheduler's tick while busy."""
        self.account(now_ns, busy=True)
        self.look(now_ns)
        self.next_tick_ns = now_ns + self.SCHEDULER_TICK_NS
        return self.points[self.index]

    def idle_from(self, now_ns: int) -> None:
        """The task sleeps."""
        self.account(now_ns, busy=True)

    def first_point(self, frame: Frame, now_ns: int, backlog: int) -> OperatingPoint:
        """Return the point in force: frames mean nothing to the kernel."""
        return self.points[self.index]

    def next_point(
        self, frame: Frame, result: StageResult, decision: ExitDecision
    ) -> OperatingPoint:
        """Return the point in force: a tick may have changed it."""
        return self.points[self.index]

    def lowest_at_least(self, khz: float) -> int:
        """CPUFREQ_RELATION_L: the lowest clock at or above, else the highest."""
        return next((i for i, own in enumerate(self.khz) if own >= khz), len(self.khz) - 1)

    def highest_at_most(self, khz: float) -> int:
        """CPUFREQ_RELATION_H: the highest clock at or below, else the lowest."""
        return max((i for i, own in enumerate(self.khz) if own <= khz), default=0)

    def closest(self, khz: float) -> int:
        """CPUFREQ_RELATION_C: the closest clock; of two equally close ones the higher."""
        return min(range(len(self.khz)), key=lambda i: (abs(self.khz[i] - khz), -i))


NO_IDLE_PERIODS = -1


class SamplingGovernor(TickingGovernor):
    """Looks at the load of each sampling period, in per cent of busy time."""

    def __init__(self, points: Sequence[OperatingPoint], transition_ns: int) -> None:
        super().__init__(points, transition_ns)
        # cpufreq_dbs_governor_init: at least two scheduler ticks.
        self.sampling_ns = max(2 * self.SCHEDULER_TICK_NS, self.delay_ns)
        self._sampled_ns = self._accounted_ns = 0
        self._idle_ns = 0
        self._load = 0
        self._idle_periods = NO_IDLE_PERIODS

    @abstractmethod
    def decide(self, load: int) -> None:
        """Set `index` from a period's load, 0 to 100."""

    def account(self, now_ns: int, busy: bool) -> None:
        """Sum up idle time."""
        if not busy:
            self._idle_ns += now_ns - self._accounted_ns
        self._accounted_ns = now_ns

    def look(self, now_ns: int) -> None:
        """Sample if the period is over (dbs_update_util_handler, dbs_update)."""
        elapsed_ns = now_ns - self._sampled_ns
        if elapsed_ns < self.sampling_ns:
            return
        idle_ns = self._idle_ns
        self._sampled_ns, self._idle_ns = now_ns, 0
        if idle_ns > 2 * self.sampling_ns and self._load:
            # A task that wakes up after a long idle time is not judged by that time: the load
            # before it is taken once more.
            load, self._load = self._load, 0
        else:
            load = 100 * (elapsed_ns - idle_ns) // elapsed_ns
            self._load = load
        self._idle_periods = NO_IDLE_PERIODS
        if idle_ns > 2 * self.sampling_ns:
            self._idle_periods = idle_ns // self.sampling_ns
        self.decide(load)


ONDEMAND_UP_THRESHOLD = 95
"""MICRO_FREQUENCY_UP_THRESHOLD: the default where idle time is accounted in us."""


class OndemandGovernor(SamplingGovernor):
    """Top clock above the threshold, else a clock proportional to the load."""

    name = "ondemand"

    def decide(self, load: int) -> None:
        """Set the clock from a period's load in per cent."""
        if load > ONDEMAND_UP_THRESHOLD:
            self.index = len(self.khz) - 1
            return
        lowest, highest = self.khz[0], self.khz[-1]
        self.index = self.closest(lowest + load * (highest - lowest) // 100)


CONSERVATIVE_UP_THRESHOLD, CONSERVATIVE_DOWN_THRESHOLD = 80, 20
FREQUENCY_STEP_PERCENT = 5
"""Of the highest clock."""


class ConservativeGovernor(SamplingGovernor):
    """One step up above the upper threshold, one step down below the lower one."""

    name = "conservative"

    def __init__(self, points: Sequence[OperatingPoint], transition_ns: int) -> None:
        super().__init__(points, transition_ns)
        self._requested_khz = self.khz[self.index]
        self._step_khz = self.khz[-1] * FREQUENCY_STEP_PERCENT // 100

    def decide(self, load: int) -> None:
        """Move the requested clock by a step, or by one for each idle period slept through."""
        lowest, highest = self.khz[0], self.khz[-1]
        if self._idle_periods != NO_IDLE_PERIODS:
            steps_khz = self._idle_periods * self._step_khz
            self._requested_khz = max(lowest, self._requested_khz - steps_khz)
        if load > CONSERVATIVE_UP_THRESHOLD:
            if self._requested_khz < highest:
                self._requested_khz = min(highest, self._requested_khz + self._step_khz)
                self.index = self.highest_at_most(self._requested_khz)
        elif load < CONSERVATIVE_DOWN_THRESHOLD and self._requested_khz > lowest:
            self._requested_khz = max(lowest, self._requested_khz - self._step_khz)
            self.index = self.lowest_at_least(self._requested_khz)


FULL = 1024.0
"""SCHED_CAPACITY_SCALE."""
HALF_LIFE_NS = 32 * 1_024_000
"""PELT halves the weight of the past in 32 periods of 1024 us."""
HEADROOM = 1.25
"""map_util_perf: the tipping point is a utilisation of 80 %."""
ESTIMATE_WEIGHT = 1 / 4
"""UTIL_EST_WEIGHT_SHIFT 2: of a new sample in a falling moving average."""


class SchedutilGovernor(TickingGovernor):
    """The lowest clock at or above 1.25 x utilisation x highest clock, once per rate limit."""

    name = "schedutil"

    def __init__(self, points: Sequence[OperatingPoint], transition_ns: int) -> None:
        super().__init__(points, transition_ns)
        self._util = 0.0
        self._estimate = 0.0
        self._running = False
        self._accounted_ns = 0
        self._lost_ns = 0.0
        self._updated_ns = -self.delay_ns

    def account(self, now_ns: int, busy: bool) -> None:
        """Let utilisation rise while busy, by the clock in force, and decay while idle."""
        passed_ns = now_ns - self._accounted_ns
        self._accounted_ns = now_ns
        if busy:
            # update_rq_clock_pelt: time runs slower at a lower clock, and idle time makes it up.
            own_ns = passed_ns * self.khz[self.index] / self.khz[-1]
            self._lost_ns += passed_ns - own_ns
            self._util = FULL + (self._util - FULL) * _decay(own_ns)
        else:
            self._util *= _decay(passed_ns + self._lost_ns)
            self._lost_ns = 0.0

    def busy_from(self, now_ns: int) -> OperatingPoint:
        """The task wakes up, with its estimate."""
        self._running = True
        return super().busy_from(now_ns)

    def idle_from(self, now_ns: int) -> None:
        """The task sleeps: its estimate follows at once upwards, slowly downwards; then look."""
        super().idle_from(now_ns)
        if not self._running:
            return
        self._running = False
        if self._util >= self._estimate:
            self._estimate = self._util
        else:
            self._estimate += ESTIMATE_WEIGHT * (self._util - self._estimate)

    def look(self, now_ns: int) -> None:
        """Set the clock, unless it was changed less than the rate limit ago."""
        if now_ns - self._updated_ns < self.delay_ns:
            return
        util = max(self._util, self._estimate) if self._running else self._util
        index = self.lowest_at_least(min(HEADROOM * util / FULL, 1.0) * self.khz[-1])
        if index != self.index:
            self.index = index
            self._updated_ns = now_ns


def _decay(passed_ns: float) -> float:
    return math.exp2(-passed_ns / HALF_LIFE_NS)


KERNEL_GOVERNORS = {
    governor.name: governor
    for governor in (OndemandGovernor, ConservativeGovernor, SchedutilGovernor)
}
"""By the name that the kernel gives them."""
