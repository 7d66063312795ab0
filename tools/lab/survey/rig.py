"""What a survey measures on: an open board, what runs on it, and who is asked and watched."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from edge_infer.boards.contract import Board
from edge_infer.boards.power import PowerMeter
from edge_infer.lab.survey.operator_models import OperatorModel
from edge_infer.lab.survey.raw_data import RawData

Invoke = Callable[[], None]
Ask = Callable[[str], bool]
"""Puts a request to whoever sits there; False where it is refused."""


@dataclass(frozen=True)
class Load:
    """A load that is known: a resistor, or one beside a second meter."""

    text: str
    """As it was given: 10ohm, 2.5W."""
    ohm: float | None = None
    power_uw: float | None = None
    """What the second meter shows, where it is no resistor."""
    tolerance: float = 0.01

    def drawn_uw(self, bus_mv: float) -> float:
        """Return what it draws at a voltage."""
        return bus_mv**2 / self.ohm if self.ohm else self.power_uw or 0.0


class Runner(Protocol):
    """What runs on a board: kernels on a real one, their model on a simulated one."""

    def identity(self) -> dict[str, Any]:
        """Return what the computer is, as JSON takes it."""
        ...

    def measured_khz(self) -> int | None:
        """Return the clock as the firmware measures it; None where it does not."""
        ...

    def load(self) -> None:
        """Load an interpreter, so that idle power holds what it costs."""
        ...

    def invoke(self, model: OperatorModel, threads: int) -> Invoke:
        """Return what invokes a model once, bare."""
        ...

    def burn(self, until_ns: int) -> None:
        """Keep every core busy until then."""
        ...

    def copy(self, size: int) -> Invoke:
        """Return what copies `size` bytes of memory once."""
        ...

    def overheads_ns(self) -> Mapping[str, Sequence[float]]:
        """Return estimates of what this project's code takes: runtime, stage and decision."""
        ...

    def meter_at(self, adc_bits: int) -> PowerMeter | None:
        """Return the meter at another resolution; None where it has no choice."""
        ...

    def attach(self, load: Load | None) -> bool:
        """Connect a known load, or take it away; False where a person has to."""
        ...

    def killed(self) -> dict[str, Any] | None:
        """Kill a process that holds the clock and return what stood then; None where it cannot."""
        ...


@dataclass
class Rig:
    """A board to be surveyed."""

    board: Board
    runner: Runner
    cores: int
    stop_at_millicelsius: int = 80_000
    """No load above this temperature."""
    load: Load | None = None
    """What the meter is checked with."""
    ask: Ask = lambda text: True
    lines: Mapping[str, Callable[[], dict[str, Any]]] = field(default_factory=dict)
    """Tests of a serial line, by name."""
    no_clock: str = ""
    """Why no clock can be chosen, where that is so."""
    no_meter: str = (
        "no power meter: edge-infer doctor says what answers, --meter ina219 names one; "
        "docs/howto/wiring.md"
    )
    """Why there is none, where that is so."""
    no_line: str = "no serial line was named: --port, with a loopback plug or a second board"
    bundles: Sequence[str] = ()
    """Whose stages are measured."""
    measure_bundle: Callable[[str], str] | None = None
    raw: RawData = field(default_factory=RawData)

    @property
    def meter(self) -> PowerMeter | None:
        """The power meter."""
        return self.board.meter

    @property
    def clocks_khz(self) -> tuple[int, ...]:
        """The clocks that are offered; one where none can be chosen."""
        return self.board.clock.supported_khz()

    @property
    def thread_counts(self) -> tuple[int, ...]:
        """Numbers of threads to try."""
        return tuple(sorted({*range(1, min(self.cores, 4) + 1), self.cores}))

    def now_ns(self) -> int:
        """Return the time on the board."""
        return self.board.timebase.now_ns()

    def wait_ns(self, time_ns: int) -> None:
        """Let time pass."""
        self.board.timebase.sleep_until_ns(self.now_ns() + time_ns)

    def set_khz(self, khz: int) -> int:
        """Set a clock where one can be chosen, and return what reads back. Raises ClockError."""
        if len(self.clocks_khz) < 2:
            return self.board.clock.current_khz()
        return self.board.clock.set_khz(khz)
