"""The first records of a run, to be told one by one where the inputs are few."""

from edge_infer.runtime.answers import MOST_TOLD
from edge_infer.runtime.frame_reader import LoopCounts
from edge_infer.runtime.records import InferenceRecord


class FirstAnswers:
    """Keeps the records of the first inputs.

    Args:
        counts: of the loop: says how many inputs there are, where they repeat.
        most: records to keep; None for all.
    """

    def __init__(self, counts: LoopCounts, most: int | None = MOST_TOLD) -> None:
        self._counts, self._most = counts, most
        self._kept: list[InferenceRecord] = []
        self._seen = 0

    def add(self, record: InferenceRecord) -> None:
        """Take one record; on the path of a run, not of a frame."""
        self._seen += 1
        if self._most is None or len(self._kept) < self._most:
            self._kept.append(record)

    def told(self) -> list[InferenceRecord] | None:
        """Return one record an input, None where there are more inputs than are kept."""
        distinct = self._counts.distinct
        if self._most is None:
            return self._kept
        if distinct is not None and distinct <= self._most:
            return [record for record in self._kept if record.number < distinct]
        return self._kept if self._seen <= self._most else None
