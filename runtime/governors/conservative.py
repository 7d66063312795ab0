"""The kernel's conservative governor: cpufreq_conservative.c, cs_dbs_update, Linux 6.6."""

from collections.abc import Sequence

from edge_infer.boards.operating_point import OperatingPoint
from edge_infer.runtime.governors.sampling import NO_IDLE_PERIODS, SamplingGovernor

UP_THRESHOLD, DOWN_THRESHOLD = 80, 20
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
        if load > UP_THRESHOLD:
            if self._requested_khz < highest:
                self._requested_khz = min(highest, self._requested_khz + self._step_khz)
                self.index = self.highest_at_most(self._requested_khz)
        elif load < DOWN_THRESHOLD and self._requested_khz > lowest:
            self._requested_khz = max(lowest, self._requested_khz - self._step_khz)
            self.index = self.lowest_at_least(self._requested_khz)
