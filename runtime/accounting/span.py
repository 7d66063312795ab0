"""What a run did when: stretches of time, each with one activity."""

from collections.abc import Iterator
from dataclasses import dataclass

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
