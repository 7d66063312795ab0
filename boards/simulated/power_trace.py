"""The power of a simulated board over its time: piecewise constant, integrated exactly."""

from bisect import bisect_right

from edge_infer.boards.errors import MeterError

HISTORY = 1 << 14
"""Segments kept behind the reader before the oldest are dropped."""


class PowerTrace:
    """Levels in uW from the times at which they begin; energy in fJ (uW x ns), never rounded.

    Args:
        start_ns: where the trace begins.
        level_uw: power from there on.
        keep: never drop the past; for checks of windows long gone.
    """

    def __init__(self, start_ns: int, level_uw: int, keep: bool = False) -> None:
        self.start_ns = start_ns
        self.level_uw = level_uw
        """Power from the last change on."""
        self._keep = keep
        self._times_ns = [start_ns]
        self._levels_uw = [level_uw]
        self._energies_fj = [0]
        self._reader_ns: int | None = None

    def set_level(self, at_ns: int, level_uw: int) -> None:
        """Let the power be `level_uw` from `at_ns` on; not before the last change."""
        if level_uw == self.level_uw:
            return
        last_ns = self._times_ns[-1]
        if at_ns == last_ns:
            self._levels_uw[-1] = level_uw
        else:
            energy_fj = self._energies_fj[-1] + (at_ns - last_ns) * self.level_uw
            self._times_ns.append(at_ns)
            self._levels_uw.append(level_uw)
            self._energies_fj.append(energy_fj)
            if len(self._times_ns) > HISTORY and not self._keep:
                self._drop(last_ns if self._reader_ns is None else self._reader_ns)
        self.level_uw = level_uw

    def read_from(self, at_ns: int | None) -> None:
        """A reader still needs everything from `at_ns` on; None when there is no reader."""
        self._reader_ns = at_ns

    def mean_uw(self, from_ns: int, to_ns: int) -> int:
        """Return the mean power in uW over a window of the past, rounded down."""
        return (self._energy_fj(to_ns) - self._energy_fj(from_ns)) // (to_ns - from_ns)

    def energy_nj(self, from_ns: int, to_ns: int) -> int:
        """Return the exact energy in nJ over a window, rounded to the nearest.

        Raises MeterError if the window begins in a past that was dropped.
        """
        return (self._energy_fj(to_ns) - self._energy_fj(from_ns) + 500_000) // 1_000_000

    def _energy_fj(self, at_ns: int) -> int:
        """Energy from the start of the trace."""
        if at_ns <= self.start_ns:
            return 0
        i = bisect_right(self._times_ns, at_ns) - 1
        if i < 0:
            raise MeterError(
                f"the power at {at_ns} ns is no longer kept, only from {self._times_ns[0]} ns on; "
                "open the simulated board with keep_power_history=True"
            )
        return self._energies_fj[i] + (at_ns - self._times_ns[i]) * self._levels_uw[i]

    def _drop(self, before_ns: int) -> None:
        # In large portions, so that dropping costs little a segment.
        first = min(bisect_right(self._times_ns, before_ns) - 1, HISTORY // 2)
        if first >= HISTORY // 4:
            del self._times_ns[:first]
            del self._levels_uw[:first]
            del self._energies_fj[:first]
