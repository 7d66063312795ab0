"""Two-point calibration of a power meter, and the error bound that it leaves.

    true = gain * reading + offset

Two known loads fix the line. If the mean readings at P1 < P2 are off by at most e1 and e2, the
line is off by at most (e1 + e2) / (P2 - P1) in slope and (e1 P2 + e2 P1) / (P2 - P1) at zero.
What the reference itself is off by in gain cannot be seen and adds to the slope.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from edge_infer.boards.errors import MeterError

MIN_READINGS = 16
COVERAGE = 2.0
"""Standard errors of a mean that count as its bound: about 95 %."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Corrects power readings; the bounds are what remains after it."""

    gain_ppm: int = 0
    """Correction of the gain: true = reading * (1 + gain_ppm / 1e6) + offset_uw."""
    offset_uw: int = 0
    gain_uncertainty_ppm: int = 0
    offset_uncertainty_uw: int = 0

    def apply(self, power_uw: int) -> int:
        """Return the corrected power in uW."""
        return power_uw + (power_uw * self.gain_ppm + 500_000) // 1_000_000 + self.offset_uw


@dataclass(frozen=True, slots=True)
class KnownLoad:
    """Readings of the meter, uncorrected, while a load of known power was on."""

    power_uw: int
    """What a reference instrument says."""
    readings_uw: Sequence[int]
    reading_error_uw: int = 0
    """Bound of what averaging does not remove: quantisation of a constant reading."""

    @property
    def mean_uw(self) -> float:
        """Mean reading."""
        return math.fsum(self.readings_uw) / len(self.readings_uw)

    @property
    def error_uw(self) -> float:
        """Bound of the mean's error: COVERAGE standard errors and `reading_error_uw`."""
        n, mean = len(self.readings_uw), self.mean_uw
        variance = math.fsum((reading - mean) ** 2 for reading in self.readings_uw) / (n - 1)
        return COVERAGE * math.sqrt(variance / n) + self.reading_error_uw


def calibrate(low: KnownLoad, high: KnownLoad, reference_ppm: int = 0) -> Calibration:
    """Return the calibration that two known loads give.

    Args:
        low: the smaller load.
        high: the greater load, at least twice the smaller.
        reference_ppm: bound of the reference instrument's own gain error.

    Raises:
        MeterError: too few readings, loads too close together, or readings that do not rise.
    """
    for load in (low, high):
        if len(load.readings_uw) < MIN_READINGS:
            raise MeterError(
                f"{len(load.readings_uw)} readings at {load.power_uw / 1e6:g} W; "
                f"calibration needs {MIN_READINGS}"
            )
    span_uw, seen_uw = high.power_uw - low.power_uw, high.mean_uw - low.mean_uw
    if span_uw < low.power_uw:
        raise MeterError(
            f"known loads of {low.power_uw / 1e6:g} and {high.power_uw / 1e6:g} W are too close: "
            "use a second load of at least twice the first"
        )
    if seen_uw <= 0:
        raise MeterError("the readings do not rise with the load: is the shunt wired backwards?")
    gain = span_uw / seen_uw
    slope_error = (low.error_uw + high.error_uw) * gain / span_uw
    zero_error = (low.error_uw * high.power_uw + high.error_uw * low.power_uw) * gain / span_uw
    return Calibration(
        gain_ppm=round((gain - 1) * 1e6),
        offset_uw=round(low.power_uw - gain * low.mean_uw),
        gain_uncertainty_ppm=math.ceil(slope_error * 1e6) + reference_ppm,
        offset_uncertainty_uw=math.ceil(zero_error),
    )
