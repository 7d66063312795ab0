"""A real board under Linux: cpufreq, the meter its profile names, its thermometer, real time."""

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import TYPE_CHECKING, NoReturn, Self

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

if TYPE_CHECKING:  # drivers of clocks: the host needs none
    from edge_infer.boards.cpufreq import CpufreqClock


class LinuxBoard(Closing):
    """The board this program runs on.

    Args:
        profile: what is known of it.
        clock: its clock, put back when the board is closed.
        meter: its power meter, stopped then; None without one.
        sysfs: the kernel's files.
        lacks: what it could have and has not.
    """

    def __init__(
        self,
        profile: BoardProfile,
        clock: Clock,
        meter: PowerMeter | None,
        sysfs: Sysfs,
        lacks: Sequence[str] = (),
    ) -> None:
        self.name = profile.name
        self.simulated = False
        self.profile = profile
        self.timebase = MonotonicTimebase()
        self.clock = clock
        self.meter = meter
        self.thermometer = LinuxThermometer(sysfs)
        self.lacks = tuple(lacks)
        """What is missing on a board that was detected, each with the command that mends it."""
        self._signals = ExitStack()

    def cost_table(self, works: Sequence[Work]) -> CostTable | None:
        """Return the cost modelled from the profile.

        None where it states no such figures, or where the clock is left to the kernel.
        """
        cpu, clocks_khz = self.profile.cpu, self.clock.supported_khz()
        if cpu is None or not clocks_khz[0]:
            return None
        threads = range(1, cpu.cores + 1)
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


class KernelsClock(FixedClock):
    """A clock that is left to the kernel's governor: nothing is written to it.

    Args:
        clock: to look at; None where the kernel has none.
    """

    def __init__(self, clock: "CpufreqClock | None" = None) -> None:
        super().__init__()
        self._clock = clock

    @property
    def governor(self) -> str | None:
        """The kernel's governor, as the kernel calls it; None where it has none."""
        return None if self._clock is None else self._clock.found_governor()

    def running_khz(self) -> int:
        """Return the clock in kHz that the kernel reports now; 0 where it does not."""
        try:
            return 0 if self._clock is None else self._clock.running_khz()
        except ClockError:
            return 0
