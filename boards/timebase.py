"""Time is a value passed in: a real board reads the monotonic clock, a simulated one owns its own.

All times are integer nanoseconds since an arbitrary start, never the wall clock.
"""

import time
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from typing import Protocol

NEVER_NS = 1 << 62
"""Later than anything: 146 years."""


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


class VirtualTimebase:
    """A clock that is advanced by hand. Events due at the same time run in order of booking."""

    def __init__(self, start_ns: int = 0) -> None:
        self._now_ns = start_ns
        self._due: list[tuple[int, int, Callable[[], None]]] = []
        self._order = count()
        self.next_due_ns = NEVER_NS
        """When the next event falls due."""

    def now_ns(self) -> int:
        """Return the virtual time in ns."""
        return self._now_ns

    def sleep_until_ns(self, until_ns: int) -> None:
        """Let time pass until `until_ns`, running each event at its time.

        An event may itself let time pass; then this may return later than asked.
        """
        while self.next_due_ns <= until_ns:
            due_ns, _, action = heappop(self._due)
            self.next_due_ns = self._due[0][0] if self._due else NEVER_NS
            self._now_ns = max(self._now_ns, due_ns)
            action()
        if until_ns > self._now_ns:
            self._now_ns = until_ns

    def hold_until_ns(self, until_ns: int) -> None:
        """Let time pass with everything at a standstill: what falls due waits for the end."""
        self._now_ns = max(self._now_ns, until_ns)

    def call_at(self, when_ns: int, action: Callable[[], None]) -> None:
        """Book `action` for `when_ns`; one that is already past runs when time next moves."""
        heappush(self._due, (when_ns, next(self._order), action))
        self.next_due_ns = self._due[0][0]
