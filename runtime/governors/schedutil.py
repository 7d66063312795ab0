"""The kernel's schedutil governor: kernel/sched/cpufreq_schedutil.c, sugov_update_shared, 6.6.

Utilisation is PELT's (kernel/sched/pelt.c), scaled by the clock (arm64 is frequency-invariant),
with the task's estimate while it runs (util_est: kernel/sched/fair.c). I/O boosts and other
scheduling classes play no part.
"""

import math
from collections.abc import Sequence

from edge_infer.boards.operating_point import OperatingPoint
from edge_infer.runtime.governors.ticking import TickingGovernor

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
