"""When frames arrive: as soon as the last is done, or at a steady rate."""

from collections.abc import Iterator
from itertools import count
from typing import Protocol

from edge_infer.runtime.errors import RunError


class Arrivals(Protocol):
    """Gives arrival times."""

    paced: bool
    """False when the next frame arrives as soon as it can be taken up."""

    def times_ns(self, start_ns: int) -> Iterator[int]:
        """Yield arrival times from `start_ns` on, never going backwards."""
        ...


class BackToBack:
    """A frame arrives whenever the runtime is free."""

    paced = False

    def times_ns(self, start_ns: int) -> Iterator[int]:
        """Yield `start_ns` for ever: always due."""
        while True:
            yield start_ns


class Periodic:
    """A frame every 1 / `rate_hz` seconds."""

    paced = True

    def __init__(self, rate_hz: float) -> None:
        """Take the rate in frames per second. Raises RunError unless it is above 0."""
        if not 0 < rate_hz <= 1e6:
            raise RunError(f"a rate of {rate_hz:g} frames/s cannot be kept; give 0.001 to 1e6")
        self.rate_hz = rate_hz

    def times_ns(self, start_ns: int) -> Iterator[int]:
        """Yield times that do not drift: each is computed from the start."""
        for number in count():
            yield start_ns + round(number * 1e9 / self.rate_hz)
