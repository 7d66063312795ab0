"""How the end of one frame leads to the next, over the gaps between arrivals."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class GapCoupling:
    """Arrays over the slot that a frame ends in, counted from its arrival.

    Args:
        gaps_ns: equally likely gaps between arrivals, at least one.
        slot_ns: length of a slot.
        slots: number of slots.
        switch_steps: slots that a change of clock takes.
    """

    def __init__(self, gaps_ns: Sequence[int], slot_ns: int, slots: int, switch_steps: int) -> None:
        self._slots = slots
        self._switch_steps = switch_steps
        ends = np.arange(slots)
        self._gaps = [
            (gap_ns / slot_ns, min(math.ceil(gap_ns / slot_ns), slots)) for gap_ns in gaps_ns
        ]
        gaps = np.array([gap for gap, _ in self._gaps])[:, None]
        self.waiting: Array = (ends < gaps).mean(axis=0)
        """Probability that the next frame has not arrived."""
        self.wait_ns: Array = np.maximum(gaps - ends, 0.0).mean(axis=0) * slot_ns
        """Expected wait for it."""
        self.short_wait_ns: Array = (
            np.maximum(gaps - ends - switch_steps, 0.0).mean(axis=0) * slot_ns
        )
        """Expected wait after a change of clock."""

    def arrived(self, values: Array) -> Array:
        """Return the values [..., slot] at the lag of a next frame that has arrived already."""
        found = np.zeros_like(values)
        for gap, waiting in self._gaps:
            # A lag of slot - gap, rounded up, is a shift.
            lag = waiting - math.floor(gap)
            found[..., waiting:] += values[..., lag : lag + self._slots - waiting]
        return found / len(self._gaps)

    def changing(self, values: Array) -> Array:
        """Return the values [..., slot] after a change of clock in the wait for the next frame."""
        found = np.zeros_like(values)
        for gap, waiting in self._gaps:
            in_time = min(max(math.floor(gap) - self._switch_steps + 1, 0), waiting)
            found[..., :in_time] += values[..., :1]
            lag = in_time + self._switch_steps - math.floor(gap)
            found[..., in_time:waiting] += values[..., lag : lag + waiting - in_time]
        return found / len(self._gaps)
