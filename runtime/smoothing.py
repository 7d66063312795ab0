"""Stable answers: the one that most of the last frames agree on, else the one before."""

from collections import Counter, deque
from collections.abc import Sequence
from typing import NamedTuple

from edge_infer.runtime.engine_contracts import LocalEngine
from edge_infer.runtime.records import Frame, InferenceRecord


class Agreement(NamedTuple):
    """How many of the last frames must agree."""

    agree: int
    """More than half of `of`: then no two answers can."""
    of: int

    def __str__(self) -> str:
        return f"{self.agree}/{self.of}"


class Smoothing:
    """Turns the answers of frames that follow each other into stable ones."""

    def __init__(self, agreement: Agreement) -> None:
        self._agree = agreement.agree
        self._last: deque[int] = deque(maxlen=agreement.of)
        self._stable: int | None = None

    def answer(self, own: int) -> int:
        """Return the stable answer after a frame with this one; until there is one, this one."""
        self._last.append(own)
        found, count = Counter(self._last).most_common(1)[0]
        if count >= self._agree:
            self._stable = found
        return own if self._stable is None else self._stable


class SmoothedEngine:
    """An engine whose records carry stable answers: a `LocalEngine` itself.

    Args:
        engine: answers each frame.
        smoothing: of its answers.
        labels: of the bundle.
    """

    def __init__(self, engine: LocalEngine, smoothing: Smoothing, labels: Sequence[str]) -> None:
        self._engine, self._smoothing, self._labels = engine, smoothing, labels

    def infer(self, frame: Frame, backlog: int = 0) -> InferenceRecord:
        """Answer one frame; see `InferenceEngine`."""
        record = self._engine.infer(frame, backlog)
        stable = self._smoothing.answer(record.answer)
        if stable != record.answer:
            record.net_answer, record.answer = record.answer, stable
            record.answer_label = self._labels[stable]
        return record

    def drain(self) -> Sequence[InferenceRecord]:
        """Return the records whose energy became known, in order."""
        return self._engine.drain()

    def rest(self) -> None:
        """Nothing to do until the next frame."""
        self._engine.rest()

    def finish(self) -> Sequence[InferenceRecord]:
        """End the run: return the records that were still open."""
        return self._engine.finish()

    def close(self) -> None:
        """Release what the engine holds."""
        self._engine.close()
