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


LEAST_GAIN, MOST_GAIN = 0.5, 2.0
"""A gain beyond these is no calibration of a meter, it is a wrong shunt or a wrong load."""
MOST_OFFSET_UW = 10_000_000
LEAST_SHUNT_UOHM, MOST_SHUNT_UOHM = 200, 100_000_000


def check_shunt_uohm(shunt_uohm: int) -> None:
    """Raise MeterError for a resistance that no shunt has: it would be taken for another unit's."""
    if not LEAST_SHUNT_UOHM <= shunt_uohm <= MOST_SHUNT_UOHM:
        raise MeterError(
            f"a shunt of {shunt_uohm} uohm: from {LEAST_SHUNT_UOHM} to {MOST_SHUNT_UOHM} uohm can "
            "be; 0.1 ohm is 100000"
        )


@dataclass(frozen=True, slots=True)
class Calibration:
    """Corrects power readings; the bounds are what remains after it.

    Raises MeterError for a correction or a bound that no meter needs.
    """

    gain_ppm: int = 0
    """Correction of the gain: true = reading * (1 + gain_ppm / 1e6) + offset_uw."""
    offset_uw: int = 0
    gain_uncertainty_ppm: int = 0
    offset_uncertainty_uw: int = 0

    def __post_init__(self) -> None:
        gain = 1 + self.gain_ppm / 1e6
        if not LEAST_GAIN <= gain <= MOST_GAIN:
            raise MeterError(
                f"a gain of {gain:.4g} is no calibration (it may be {LEAST_GAIN:g} to "
                f"{MOST_GAIN:g}): is the shunt's resistance right, and the meter in the supply?"
            )
        if abs(self.offset_uw) > MOST_OFFSET_UW:
            raise MeterError(f"an offset of {self.offset_uw / 1e6:g} W is no calibration")
        if min(self.gain_uncertainty_ppm, self.offset_uncertainty_uw) < 0:
            raise MeterError("an uncertainty is below 0")

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
