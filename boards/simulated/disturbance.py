"""What is different on a simulated board beside its truth."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from edge_infer.boards.simulated.truth import RowError

HYSTERESIS_K = 2.0


@dataclass(frozen=True, slots=True)
class Hot:
    """A firmware that caps the clock while the board is hot."""

    celsius: float
    """It caps from here on, and lets go `HYSTERESIS_K` below."""
    khz: int
    """The cap."""


@dataclass(frozen=True, slots=True)
class Disturbance:
    """What is different on a simulated board beside its truth; nothing by default."""

    slowdown: float = 1.0
    """Factor on the time of every stage: 1.25 is a board 25 % slower than its table."""
    rows: Mapping[str, RowError] = field(default_factory=dict)
    """By name of the stage."""
    caps: tuple[tuple[int, int | None], ...] = ()
    """(when in ns, clock in kHz the firmware caps at, or None to lift the cap)."""
    lies: Mapping[int, int] = field(default_factory=dict)
    """Clocks that are offered, and what the processor runs instead."""
    hot: Hot | None = None
    """What the firmware does when the board is hot; nothing by default."""
