"""The power of a simulated board over its time: levels and stages, integrated exactly."""

from bisect import bisect_right
from typing import Protocol

from edge_infer.boards.errors import MeterError

HISTORY = 1 << 14
"""Segments kept behind the reader before the oldest are dropped."""


class Shaped(Protocol):
    """A power that is no level: it says its own energy."""

    def energy_fj(self, passed_ns: int) -> int:
        """Return the energy of its first `passed_ns`."""
        ...


class PowerTrace:
    """Powers from the times at which they begin; energy in fJ (uW x ns), never rounded.

    Args:
        start_ns: where the trace begins.
        level_uw: power from there on.
        keep: never drop the past; for checks of windows long gone.
    """

    def __init__(self, start_ns: int, level_uw: int, keep: bool = False) -> None:
        self.start_ns = start_ns
        self.level_uw = level_uw
        """Power from the last change on; below 0 while it is shaped."""
        self._keep = keep
        self._times_ns = [start_ns]
        self._powers: list[int | Shaped] = [level_uw]
        self._energies_fj = [0]
        self._reader_ns: int | None = None

    def set_level(self, at_ns: int, level_uw: int) -> None:
        """Let the power be `level_uw` from `at_ns` on; not before the last change."""
        if level_uw != self.level_uw:
            self._begin(at_ns, level_uw)
            self.level_uw = level_uw

    def set_shape(self, at_ns: int, shaped: Shaped) -> None:
        """Let the power follow a shape from `at_ns` on, until the next change."""
        self._begin(at_ns, shaped)
        self.level_uw = -1

    def _begin(self, at_ns: int, power: int | Shaped) -> None:
        last_ns = self._times_ns[-1]
        if at_ns == last_ns:
            self._powers[-1] = power
            return
        self._energies_fj.append(self._energies_fj[-1] + self._passed_fj(-1, at_ns - last_ns))
        self._times_ns.append(at_ns)
        self._powers.append(power)
        if len(self._times_ns) > HISTORY and not self._keep:
            self._drop(last_ns if self._reader_ns is None else self._reader_ns)

    def _passed_fj(self, index: int, passed_ns: int) -> int:
        """Energy of the first `passed_ns` of a piece."""
        power = self._powers[index]
        return power * passed_ns if isinstance(power, int) else power.energy_fj(passed_ns)

    def read_from(self, at_ns: int | None) -> None:
        """A reader still needs everything from `at_ns` on; None when there is no reader."""
        self._reader_ns = at_ns

    def mean_uw(self, from_ns: int, to_ns: int) -> int:
        """Return the mean power in uW over a window of the past, rounded down."""
        return (self.until_fj(to_ns) - self.until_fj(from_ns)) // (to_ns - from_ns)

    def energy_nj(self, from_ns: int, to_ns: int) -> int:
        """Return the exact energy in nJ over a window, rounded to the nearest.

        Raises MeterError if the window begins in a past that was dropped.
        """
        return (self.until_fj(to_ns) - self.until_fj(from_ns) + 500_000) // 1_000_000

    def until_fj(self, at_ns: int) -> int:
        """Return the energy from the start of the trace. Raises MeterError if dropped."""
        if at_ns <= self.start_ns:
            return 0
        i = bisect_right(self._times_ns, at_ns) - 1
        if i < 0:
            raise MeterError(
                f"the power at {at_ns} ns is no longer kept, only from {self._times_ns[0]} ns on; "
                "open the simulated board with keep_power_history=True"
            )
        return self._energies_fj[i] + self._passed_fj(i, at_ns - self._times_ns[i])

    def _drop(self, before_ns: int) -> None:
        # In large portions, so that dropping costs little a segment.
        first = min(bisect_right(self._times_ns, before_ns) - 1, HISTORY // 2)
        if first >= HISTORY // 4:
            del self._times_ns[:first]
            del self._powers[:first]
            del self._energies_fj[:first]
