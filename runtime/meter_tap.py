"""A meter whose samples somebody else sees too."""

from collections.abc import Callable, Sequence
from typing import Any

from edge_infer.boards.contract import Board
from edge_infer.boards.power import PowerMeter, PowerSample


class MeterTap:
    """A meter that hands each batch of samples on; the rest is the meter's own.

    Args:
        meter: of the board.
        take: called with what was drained.
    """

    def __init__(self, meter: PowerMeter, take: Callable[[Sequence[PowerSample]], None]) -> None:
        self._meter, self._take = meter, take

    def drain(self, until_ns: int) -> Sequence[PowerSample]:
        """See PowerMeter."""
        samples = self._meter.drain(until_ns)
        self._take(samples)
        return samples

    def __getattr__(self, name: str) -> Any:
        return getattr(self._meter, name)


def tap_meter(board: Board, take: Callable[[Sequence[PowerSample]], None]) -> None:
    """Put a tap before the meter of an open board; nothing happens where it has none."""
    if board.meter is not None:
        board.meter = MeterTap(board.meter, take)  # type: ignore[misc]
