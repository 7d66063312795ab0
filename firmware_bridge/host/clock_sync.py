"""How the device's monotonic time maps to the host's: offset and drift, with their bound.

Each exchange notes when the request left, the device's time, and when the answer came; the
device's reading fell somewhere between (Cristian, "Probabilistic clock synchronization",
Distributed Computing 3, 1989). Quick exchanges bound it best; a line through the quickest of
each stretch of time gives the drift.
"""

from dataclasses import dataclass
from typing import NamedTuple

_STRETCHES = 8
"""The window is cut into so many parts; the quickest exchange of each is used."""
_MIN_SPAN_NS = 10_000_000_000
"""Below this, the jitter of one exchange would pass for drift."""


class Exchange(NamedTuple):
    """One question for the time; all in ns, the first and last on the host's clock."""

    sent_ns: int
    device_ns: int
    received_ns: int

    @property
    def round_trip_ns(self) -> int:
        """How long the answer took."""
        return self.received_ns - self.sent_ns

    @property
    def offset_ns(self) -> int:
        """Host minus device time, if the reading fell in the middle."""
        return (self.sent_ns + self.received_ns) // 2 - self.device_ns


@dataclass(frozen=True, slots=True)
class ClockFit:
    """Host time = device time + offset + drift * (device time - reference)."""

    reference_ns: int
    """Device time at which `offset_ns` holds."""
    offset_ns: int
    drift_ppm: float
    """Positive when the host's clock runs faster than the device's."""
    bound_ns: int
    """Half the shortest round trip: the offset cannot be further off than this at its time."""

    def to_host_ns(self, device_ns: int) -> int:
        """Return the host's time for a device time."""
        since_ns = device_ns - self.reference_ns
        return device_ns + self.offset_ns + round(since_ns * self.drift_ppm / 1e6)


class ClockSync:
    """Collects exchanges and fits them. Keeps a bounded number, over all the time it has seen."""

    def __init__(self, capacity: int = 512) -> None:
        self._exchanges: list[Exchange] = []
        self._capacity = capacity

    def add(self, exchange: Exchange) -> None:
        """Take one exchange; when full, every second one of the older half is let go."""
        self._exchanges.append(exchange)
        if len(self._exchanges) > self._capacity:
            half = self._capacity // 2
            self._exchanges[:half] = self._exchanges[:half:2]

    def fit(self) -> ClockFit | None:
        """Return the mapping, None before the first exchange."""
        if not self._exchanges:
            return None
        best = min(self._exchanges, key=lambda exchange: exchange.round_trip_ns)
        drift_ppm = self._drift_ppm()
        return ClockFit(best.device_ns, best.offset_ns, drift_ppm, best.round_trip_ns // 2)

    def _drift_ppm(self) -> float:
        """Return the slope of a least-squares line through the quickest of each stretch."""
        start, end = self._exchanges[0].device_ns, self._exchanges[-1].device_ns
        if end - start < _MIN_SPAN_NS:
            return 0.0
        quickest: dict[int, Exchange] = {}
        for exchange in self._exchanges:
            stretch = (exchange.device_ns - start) * _STRETCHES // (end - start + 1)
            known = quickest.get(stretch)
            if known is None or exchange.round_trip_ns < known.round_trip_ns:
                quickest[stretch] = exchange
        return _slope_ppm([(e.device_ns - start, e.offset_ns) for e in quickest.values()])


def _slope_ppm(points: list[tuple[int, int]]) -> float:
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    together = sum((x - mean_x) * (y - mean_y) for x, y in points)
    return together / spread * 1e6 if spread else 0.0
