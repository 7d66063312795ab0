"""What a run did when: stretches of time, each with one activity."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from edge_infer.boards.cost_table import OperatingPoint
from edge_infer.boards.power import PowerSample
from edge_infer.runtime.accounting.activity_power import Activity, parts_of
from edge_infer.runtime.records import InferenceRecord


@dataclass(slots=True)
class Span:
    """A stretch of time in which one thing happened."""

    start_ns: int
    end_ns: int
    activity: Activity
    record: InferenceRecord | None
    """The inference it belongs to, None while waiting."""

    def within(self, from_ns: int, to_ns: int) -> Iterator[tuple[Activity, float]]:
        """Yield how long each part of the activity ran in a window, in ns."""
        parts = parts_of(self.activity)
        length_ns = (self.end_ns - self.start_ns) / len(parts)
        if from_ns <= self.start_ns and self.end_ns <= to_ns:
            for part in parts:
                yield part, length_ns
            return
        for number, part in enumerate(parts):
            start_ns = self.start_ns + number * length_ns
            overlap_ns = min(start_ns + length_ns, to_ns) - max(start_ns, from_ns)
            if overlap_ns > 0:
                yield part, overlap_ns


class Timeline:
    """Spans in the order of time, until they have their energy.

    Args:
        start_ns: when the run begins.
        idle_khz: the clock that is waited at.
    """

    def __init__(self, start_ns: int, idle_khz: int) -> None:
        self.until_ns = start_ns
        """What is known of goes up to here."""
        self._idle_khz = idle_khz
        self._spans: deque[Span] = deque()
        self._ahead: deque[Span] = deque()
        """Of them, those that samples to come may see."""

    def add(self, record: InferenceRecord) -> None:
        """Take up an inference: stages, changes of clock, and what comes after the last stage."""
        self.wait(record.start_ns)
        at_ns = record.start_ns
        for stage, (start_ns, end_ns, point) in enumerate(
            zip(record.stage_start_ns, record.stage_end_ns, record.points, strict=True)
        ):
            if start_ns > at_ns:
                self._append(at_ns, start_ns, Activity("switch", point), record)
            self._append(start_ns, end_ns, Activity(stage, point, record.ratio), record)
            at_ns = end_ns
        if record.end_ns > at_ns:
            self._append(at_ns, record.end_ns, Activity("idle", record.points[-1]), record)
        self._idle_khz = record.points[-1].clock_khz
        self.until_ns = record.end_ns

    def wait(self, until_ns: int, clock_khz: int | None = None) -> None:
        """Note that nothing ran until then, and from then on at a clock, if it is another."""
        if until_ns > self.until_ns:
            idle = Activity("idle", OperatingPoint(self._idle_khz))
            self._append(self.until_ns, until_ns, idle, None)
            self.until_ns = until_ns
        if clock_khz is not None:
            self._idle_khz = clock_khz

    def shares(self, sample: PowerSample) -> dict[Activity, float]:
        """Return the share of a conversion that each activity filled; samples come in order."""
        start_ns, end_ns = sample.timestamp_ns - sample.interval_ns, sample.timestamp_ns
        shares: dict[Activity, float] = {}
        while self._ahead and self._ahead[0].end_ns <= start_ns:
            self._ahead.popleft()
        for span in self._ahead:
            if span.start_ns >= end_ns:
                break
            for activity, overlap_ns in span.within(start_ns, end_ns):
                shares[activity] = shares.get(activity, 0.0) + overlap_ns / sample.interval_ns
        return shares

    def one_span_until(self, until_ns: int) -> bool:
        """Return True where no more than one thing happened up to then."""
        return not self._spans or self._spans[0].end_ns >= until_ns

    def taken(self, from_ns: int, until_ns: int) -> Iterator[tuple[Span, int, int]]:
        """Yield the spans of a stretch of time with where each begins and ends in it.

        What ended by `until_ns` is forgotten.
        """
        while self._spans:
            span = self._spans[0]
            begin_ns, end_ns = max(span.start_ns, from_ns), min(span.end_ns, until_ns)
            if end_ns > begin_ns:
                yield span, begin_ns, end_ns
            if span.end_ns > until_ns:
                break
            self._spans.popleft()

    def _append(
        self, start_ns: int, end_ns: int, activity: Activity, record: InferenceRecord | None
    ) -> None:
        span = Span(start_ns, end_ns, activity, record)
        self._spans.append(span)
        self._ahead.append(span)
