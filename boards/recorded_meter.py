"""A power log played again as a meter, from the moment of `start` on."""

from collections.abc import Callable, Sequence
from itertools import takewhile

from edge_infer.boards.power import MeterStatistics, Origin, PowerSample, SampleFlag
from edge_infer.boards.power_csv import PowerLog


class RecordedMeter:
    """Fulfils `PowerMeter` with the samples of a log, their times shifted.

    Args:
        log: the log.
        now_ns: the time to play it in; the log's first conversion begins at `start`.
    """

    def __init__(self, log: PowerLog, now_ns: Callable[[], int]) -> None:
        self.origin: Origin = log.origin
        self.gain_uncertainty_ppm = log.gain_uncertainty_ppm
        self.offset_uncertainty_uw = log.offset_uncertainty_uw
        self.resolution_uw = log.resolution_uw
        self._samples = log.samples
        self._now_ns = now_ns
        self._next = self._shift_ns = 0

    def start(self) -> None:
        """Begin to play."""
        first = self._samples[0]
        self._shift_ns = self._now_ns() - (first.timestamp_ns - first.interval_ns)
        self._next = 0

    def drain(self, until_ns: int) -> Sequence[PowerSample]:
        """Return the samples that ended by `until_ns` and were not yet returned."""
        shift_ns = self._shift_ns
        waiting = (
            s._replace(timestamp_ns=s.timestamp_ns + shift_ns) for s in self._samples[self._next :]
        )
        due = list(takewhile(lambda sample: sample.timestamp_ns <= until_ns, waiting))
        self._next += len(due)
        return due

    def statistics(self) -> MeterStatistics:
        """Return the counts of what was played; a log does not tell the time on the bus."""
        played = self._samples[: self._next]
        lost = played[-1].seq - played[0].seq + 1 - len(played) if played else 0
        saturated = sum(bool(sample.flags & SampleFlag.SATURATED) for sample in played)
        return MeterStatistics(samples=len(played), lost=lost, saturated=saturated)

    def stop(self) -> None:
        """Nothing to free."""
