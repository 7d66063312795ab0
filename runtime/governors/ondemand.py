"""The kernel's ondemand governor: drivers/cpufreq/cpufreq_ondemand.c, od_update, Linux 6.6."""

from edge_infer.runtime.governors.sampling import SamplingGovernor

UP_THRESHOLD = 95
"""MICRO_FREQUENCY_UP_THRESHOLD: the default where idle time is accounted in us."""


class OndemandGovernor(SamplingGovernor):
    """Top clock above the threshold, else a clock proportional to the load."""

    name = "ondemand"

    def decide(self, load: int) -> None:
        """Set the clock from a period's load in per cent."""
        if load > UP_THRESHOLD:
            self.index = len(self.khz) - 1
            return
        lowest, highest = self.khz[0], self.khz[-1]
        self.index = self.closest(lowest + load * (highest - lowest) // 100)
