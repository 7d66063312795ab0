"""What is different on a simulated board from what its cost table and its meter say."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class MeterFaults:
    """What is wrong with a chip and its shunt; nothing by default."""

    shunt_ppm: int = 0
    """The shunt's resistance against its nominal one."""
    gain_ppm: int = 0
    """Gain error of the shunt conversion."""
    offset_uv: int = 0
    """Input offset of the shunt conversion."""
    oscillator_ppm: int = 0
    """How much longer than typical a conversion takes; the datasheet allows +101,500."""
    ready_clears_on_bus_read: bool = False
    """CNVR clears when register 02h is read, as section 8.3.1 has it, not 03h."""


@dataclass(frozen=True, slots=True)
class RowError:
    """How the truth of one stage differs from its row: factors on time and power."""

    time: float = 1.0
    power: float = 1.0
    """On what the stage draws above idle."""


@dataclass(frozen=True, slots=True)
class Disturbance:
    """Nothing by default."""

    slowdown: float = 1.0
    """Factor on the time of every stage: 1.25 is a board 25 % slower than its table."""
    rows: Mapping[str, RowError] = field(default_factory=dict)
    """By name of the stage."""
    caps: tuple[tuple[int, int | None], ...] = ()
    """(when in ns, clock in kHz the firmware caps at, or None to lift the cap)."""
