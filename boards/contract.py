"""What a board can do, one small contract an ability; drivers and simulated boards fulfil them."""

from collections.abc import Sequence
from types import TracebackType
from typing import Protocol, Self

from edge_infer.boards.cost_table import CostTable, OperatingPoint, Work
from edge_infer.boards.power import PowerMeter
from edge_infer.boards.profile import BoardProfile
from edge_infer.boards.timebase import Timebase


class Clock(Protocol):
    """The processor clock. Every set has a reset."""

    def supported_khz(self) -> tuple[int, ...]:
        """Return the clocks that can be set, ascending; one entry where none can be chosen."""
        ...

    def current_khz(self) -> int:
        """Return the clock in kHz that the kernel reports now."""
        ...

    def set_khz(self, khz: int) -> int:
        """Ask for a clock and return the one that the board says it took.

        The two may differ (a thermal cap): that is data, not an error.
        Raises ClockError for a clock not offered, or when the setting cannot be written.
        """
        ...

    def reset(self) -> None:
        """Put back what was found. May be called twice."""
        ...


class Thermometer(Protocol):
    """Temperature, and what heat or a weak supply does to the clock."""

    def millicelsius(self) -> int | None:
        """Return the processor temperature in m degC, or None where it cannot be read."""
        ...

    def throttled(self) -> bool:
        """Return True while the board caps its clock (heat or under-voltage)."""
        ...

    def flags(self) -> int | None:
        """Return the bits of the Raspberry Pi firmware's get_throttled, None without such."""
        ...


class Board(Protocol):
    """A board: its abilities, its profile, and the time it lives in.

    A context manager: leaving it restores the clock that was found and stops the meter.
    """

    @property
    def name(self) -> str:
        """As given to `open_board`, for example "sim:raspberry-pi-5"."""
        ...

    @property
    def simulated(self) -> bool:
        """True when time and power are a model's."""
        ...

    @property
    def profile(self) -> BoardProfile:
        """What is known of the board."""
        ...

    @property
    def timebase(self) -> Timebase:
        """The time it lives in."""
        ...

    @property
    def clock(self) -> Clock:
        """The processor clock; one fixed point where it cannot be set."""
        ...

    @property
    def meter(self) -> PowerMeter | None:
        """The power meter, or None where the board has none."""
        ...

    @property
    def thermometer(self) -> Thermometer:
        """Temperature and throttling."""
        ...

    def cost_table(self, works: Sequence[Work]) -> CostTable | None:
        """Return time and energy of each work at each operating point, or None if unknown."""
        ...

    def spend(self, work: Work, point: OperatingPoint) -> None:
        """Let the time and energy of `work`, just executed, pass.

        On a real board nothing happens: the time has passed by itself. A simulated board
        advances its virtual time and runs what falls due in it.
        """
        ...

    def close(self) -> None:
        """Restore and release. May be called twice."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...
