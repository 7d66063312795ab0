"""Time is a value passed in: a real board reads the monotonic clock, a simulated one owns its own.

All times are integer nanoseconds since an arbitrary start, never the wall clock.
"""

import time
from typing import Protocol


class Timebase(Protocol):
    """Where "now" comes from, and the one way to let time pass."""

    def now_ns(self) -> int:
        """Return the current time in ns; never goes backwards."""
        ...

    def sleep_until_ns(self, until_ns: int) -> None:
        """Return at `until_ns` or, if that has passed, at once."""
        ...


class MonotonicTimebase:
    """CLOCK_MONOTONIC of this computer."""

    now_ns = staticmethod(time.monotonic_ns)

    def sleep_until_ns(self, until_ns: int) -> None:
        """Sleep in the kernel until `until_ns`."""
        left_ns = until_ns - time.monotonic_ns()
        if left_ns > 0:
            time.sleep(left_ns / 1e9)
