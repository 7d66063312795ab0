"""The supply of a simulated board: a voltage with ripple, as its meter sees it."""

from dataclasses import dataclass
from math import cos, pi

SLOW_HZ = 100.0
"""Twice the mains' frequency: what a rectifier leaves."""
FAST_HZ = 21_300.0
"""Bursts of a lightly loaded switching converter, tens of kHz."""


@dataclass(frozen=True, slots=True)
class Ripple:
    """Amplitudes as shares of the voltage; none by default.

    Slower than a conversion, ripple makes current and voltage differ that are read one after the
    other; faster, it is averaged out by the conversion. The board behind it draws the power that
    it needs whatever the voltage.
    """

    slow: float = 0.0
    fast: float = 0.0


class Supply:
    """A voltage in mV.

    Args:
        mean_mv: without ripple.
        ripple: about it.
    """

    def __init__(self, mean_mv: int, ripple: Ripple | None = None) -> None:
        self.mean_mv = mean_mv
        parts = ((SLOW_HZ, ripple.slow), (FAST_HZ, ripple.fast)) if ripple else ()
        self._parts = [(2e-9 * pi * hz, share) for hz, share in parts if share]

    def factor(self, from_ns: int, to_ns: int) -> float:
        """Return the mean voltage over a window, by the mean without ripple."""
        factor = 1.0
        for turn, share in self._parts:
            swing = cos(turn * from_ns) - cos(turn * to_ns)
            factor += share * swing / (turn * (to_ns - from_ns))
        return factor
