"""A real board under Linux: cpufreq, the meter its profile names, its thermometer, real time."""

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import NoReturn, Self

from edge_infer.boards.closing import Closing
from edge_infer.boards.contract import Clock
from edge_infer.boards.cost_model import modelled_cost_table
from edge_infer.boards.cost_table import CostTable, OperatingPoint, Work
from edge_infer.boards.errors import ClockError
from edge_infer.boards.power import PowerMeter
from edge_infer.boards.profile import BoardProfile
from edge_infer.boards.sysfs import Sysfs
from edge_infer.boards.thermal import LinuxThermometer
from edge_infer.boards.timebase import MonotonicTimebase


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


@contextmanager
def exit_on_sigterm() -> Iterator[None]:
    """Within it, SIGTERM raises SystemExit with the shell's code for it, 143.

    So every context manager puts back what it changed. Does nothing outside the main thread, or
    where the program has a handler of its own.
    """
    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _exit)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _exit(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)


class FixedClock:
    """A clock that software cannot set. Offers `khz` alone; 0 stands for one that is not known."""

    def __init__(self, khz: int = 0) -> None:
        self._khz = khz

    def supported_khz(self) -> tuple[int, ...]:
        """Return the one clock."""
        return (self._khz,)

    def current_khz(self) -> int:
        """Return the one clock."""
        return self._khz

    def set_khz(self, khz: int) -> int:
        """Return the one clock. Raises ClockError for any other."""
        if khz != self._khz:
            raise ClockError(
                f"no clock of {khz / 1000:g} MHz: this board's clock cannot be set; "
                "use the policy performance, or a simulated board (sim:NAME)"
            )
        return khz

    def reset(self) -> None:
        """Nothing to put back."""
