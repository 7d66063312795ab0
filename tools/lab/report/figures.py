"""Numbers of a page as a person reads them, and the ticks of its axes."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """A unit, and how many of the smallest ones it has."""

    unit: str
    of: float

    def text(self, value: float, digits: int = 3) -> str:
        """Return a value with its unit."""
        return f"{significant(value / self.of, digits)} {self.unit}"


_TIMES = Scale("ns", 1), Scale("us", 1e3), Scale("ms", 1e6), Scale("s", 1e9)
_ENERGIES = Scale("nJ", 1), Scale("uJ", 1e3), Scale("mJ", 1e6), Scale("J", 1e9)
_POWERS = Scale("uW", 1), Scale("mW", 1e3), Scale("W", 1e6)
ABSENT = "-"


def time_scale(ns: float) -> Scale:
    """Return the unit for times of about this size, in ns."""
    return _fitting(_TIMES, ns)


def energy_scale(nj: float) -> Scale:
    """Return the unit for energies of about this size, in nJ."""
    return _fitting(_ENERGIES, nj)


def power_scale(uw: float) -> Scale:
    """Return the unit for powers of about this size, in uW."""
    return _fitting(_POWERS, uw)


def time_figure(ns: float | None) -> str:
    """Return a time in ns with its unit."""
    return ABSENT if ns is None else time_scale(ns).text(ns)


def energy_figure(nj: float | None) -> str:
    """Return an energy in nJ with its unit."""
    return ABSENT if nj is None else energy_scale(nj).text(nj)


def power_figure(uw: float | None) -> str:
    """Return a power in uW with its unit."""
    return ABSENT if uw is None else power_scale(uw).text(uw, 4)


def share_figure(share: float | None, digits: int = 1) -> str:
    """Return a share as per cent."""
    return ABSENT if share is None else f"{100 * share:.{digits}f} %"


def count_figure(count: int) -> str:
    """Return a count, in groups of three digits."""
    return f"{count:,}"


def clock_figure(khz: int) -> str:
    """Return a clock in MHz."""
    return f"{khz / 1000:g} MHz" if khz else "clock not known"


def significant(value: float, digits: int = 3) -> str:
    """Return a number with so many digits, without an exponent."""
    if value == 0:
        return "0"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:.{min(decimals, 6)}f}"


def linear_ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Return round numbers from low to high, at most so many."""
    if not high > low:
        return [low]
    step = _round_step((high - low) / most)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [step * at for at in range(first, last + 1)]


def logarithmic_ticks(low: float, high: float) -> list[float]:
    """Return 1, 2, 5 of each decade from low to high; decades alone where they are many."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1, 2, 5) if math.log10(high / low) < 2.5 else (1,)
    ticks = [step * 10.0**decade for decade in decades for step in steps]
    return [tick for tick in ticks if low * (1 - 1e-9) <= tick <= high * (1 + 1e-9)]


def _round_step(least: float) -> float:
    decade = 10.0 ** math.floor(math.log10(least))
    return next(step * decade for step in (1, 2, 2.5, 5, 10) if step * decade >= least * (1 - 1e-9))


def _fitting(scales: tuple[Scale, ...], value: float) -> Scale:
    return next((one for one in reversed(scales) if abs(value) >= one.of), scales[0])
