"""What `ondemand` and `conservative` share: drivers/cpufreq/cpufreq_governor.c of Linux 6.6."""

from abc import abstractmethod
from collections.abc import Sequence

from edge_infer.boards.operating_point import OperatingPoint
from edge_infer.runtime.governors.ticking import TickingGovernor

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
