"""A real board under Linux: cpufreq, the meter its profile names, its thermometer, real time."""

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Self

from edge_infer.boards.closing import Closing
from edge_infer.boards.contract import Clock
from edge_infer.boards.cost_model import modelled_cost_table
from edge_infer.boards.cost_table import CostTable
from edge_infer.boards.operating_point import OperatingPoint
from edge_infer.boards.power import PowerMeter
from edge_infer.boards.profile import BoardProfile
from edge_infer.boards.sysfs import Sysfs
from edge_infer.boards.termination import exit_on_sigterm
from edge_infer.boards.thermal import LinuxThermometer
from edge_infer.boards.timebase import MonotonicTimebase
from edge_infer.boards.work import Work


class LinuxBoard(Closing):
    """The board this program runs on.

    Args:
        profile: what is known of it.
        clock: its clock, put back when the board is closed.
        meter: its power meter, stopped then; None without one.
        sysfs: the kernel's files.
    """

    def __init__(
        self, profile: BoardProfile, clock: Clock, meter: PowerMeter | None, sysfs: Sysfs
    ) -> None:
        self.name = profile.name
        self.simulated = False
        self.profile = profile
        self.timebase = MonotonicTimebase()
        self.clock = clock
        self.meter = meter
        self.thermometer = LinuxThermometer(sysfs)
        self._signals = ExitStack()

    def cost_table(self, works: Sequence[Work]) -> CostTable | None:
        """Return the cost modelled from the profile; None where it states no such figures."""
        cpu = self.profile.cpu
        if cpu is None:
            return None
        threads, clocks_khz = range(1, cpu.cores + 1), self.clock.supported_khz()
        return modelled_cost_table(self.profile, works, self.name, threads, clocks_khz)

    def spend(self, work: Work, point: OperatingPoint) -> None:
        """Nothing: on a real board time has passed by itself."""

    def close(self) -> None:
        """Stop the meter and put the clock back. May be called twice."""
        try:
            if self.meter is not None:
                self.meter.stop()
        finally:
            try:
                self.clock.reset()
            finally:
                self._signals.close()

    def __enter__(self) -> Self:
        self._signals.enter_context(exit_on_sigterm())
        return self
