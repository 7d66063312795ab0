"""The idle reference, as the run goes on: what was measured before it, and its own waits.

Other processes wake up now and then, and a board warms up: what a second before the first frame
drew is not what the board draws without frames on the average. Waits at the clock of the reference
tell more of that, and cost nothing.
"""

import math

from edge_infer.runtime.accounting.account import IdleReference


class IdleTime:
    """Time without frames at the clock of the reference.

    Args:
        before: measured before the run.
    """

    def __init__(self, before: IdleReference) -> None:
        self._before = before
        self._waited_ns = 0
        self._waited_nj = 0.0
        self._scatter = 0.0
        """Sum of variances times squared times, in uW^2 ns^2."""
        self.reference = before

    def wait(self, ns: int, clock_khz: int, nj: float, variance_uw2: float) -> None:
        """Count a wait, its energy, and the variance of the sample that it is known from."""
        if clock_khz != self._before.clock_khz:
            return
        self._waited_ns += ns
        self._waited_nj += nj
        self._scatter += variance_uw2 * ns * ns
        before = self._before
        whole_ns = before.time_ns + self._waited_ns
        power_uw = (before.power_uw * before.time_ns + self._waited_nj * 1e6) / whole_ns
        error_uw = (
            math.hypot(before.standard_error_uw * before.time_ns, math.sqrt(self._scatter))
            / whole_ns
        )
        self.reference = IdleReference(
            round(power_uw), math.ceil(error_uw), before.clock_khz, whole_ns
        )

    def net_error_uw(self, wall_ns: int, mean_uw: float) -> float:
        """Return the standard error of a run's mean power less the reference, in uW.

        Waits count in both, so their own error nearly cancels where most of a run is waits.

        Args:
            wall_ns: length of the run.
            mean_uw: standard error of its mean power.
        """
        before, waited = self._before, math.sqrt(self._scatter)
        whole_ns = before.time_ns + self._waited_ns
        if not whole_ns or not wall_ns:
            return math.hypot(mean_uw, before.standard_error_uw)
        busy = math.sqrt(max((mean_uw * wall_ns) ** 2 - waited**2, 0.0))
        waits = waited * (1 - wall_ns / whole_ns)
        second = before.standard_error_uw * before.time_ns * wall_ns / whole_ns
        return math.hypot(busy, waits, second) / wall_ns
