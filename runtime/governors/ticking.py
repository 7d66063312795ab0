"""The contract of governors that look at utilisation, not at frames: the kernel's."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from edge_infer.boards.operating_point import OperatingPoint
from edge_infer.runtime.records import ExitDecision, Frame, InferenceRecord, StageResult


class TickingGovernor(ABC):
    """A governor driven by time: told when the processor is busy, and asked at each tick.

    The rules are those of Linux 6.6 with its default tunables, for one policy with one task on
    one of its processors. While the processor idles there is no tick (NO_HZ); a wake-up and the
    scheduler's tick (HZ=250) are when the kernel looks.

    Args:
        points: one per clock, ascending.
        transition_ns: the driver's transition latency.
    """

    name: str
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
        """Return the point in force."""
        return self.points[self.index]

    def idle_point(self) -> OperatingPoint | None:
        """Stay."""
        return None

    def learn(self, record: InferenceRecord) -> None:
        """Learn nothing: frames mean nothing to the kernel."""
        return

    def lowest_at_least(self, khz: float) -> int:
        """CPUFREQ_RELATION_L: the lowest clock at or above, else the highest."""
        return next((i for i, own in enumerate(self.khz) if own >= khz), len(self.khz) - 1)

    def highest_at_most(self, khz: float) -> int:
        """CPUFREQ_RELATION_H: the highest clock at or below, else the lowest."""
        return max((i for i, own in enumerate(self.khz) if own <= khz), default=0)

    def closest(self, khz: float) -> int:
        """CPUFREQ_RELATION_C: the closest clock; of two equally close ones the higher."""
        return min(range(len(self.khz)), key=lambda i: (abs(self.khz[i] - khz), -i))
