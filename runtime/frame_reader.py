"""Reads a source for the event loop: pass after pass, and ahead while there is time."""

from collections.abc import Iterator
from dataclasses import dataclass

from edge_infer.boards.timebase import Timebase
from edge_infer.runtime.frames.source import RawFrame, Source


@dataclass(slots=True)
class LoopCounts:
    """What came in and did not become an inference."""

    arrived: int = 0
    dropped: int = 0
    """Frames pushed out of the full queue by newer ones."""
    passes: int = 0
    """Times the source was read to its end."""
    distinct: int | None = None
    """Frames of the first pass, once it has ended: later ones repeat them."""
    reading_ns: int = 0
    """Time spent reading and decoding frames; of a live source, which is waited for, not counted.
    No latency holds it, unless frames arrive faster than they are read."""


class FrameReader:
    """Gives one frame after the other; None once there are no more.

    Args:
        source: read again and again where it can be.
        timebase: of the board.
        counts: passes and times are noted there.
        max_frames: give no more than this.
        duration_ns: repeat the source until this much time has passed; the last pass is finished.
            A live source ends then.
    """

    def __init__(
        self,
        source: Source,
        timebase: Timebase,
        counts: LoopCounts,
        max_frames: int | None,
        duration_ns: int,
    ) -> None:
        self._source, self._timebase, self._counts = source, timebase, counts
        self._max_frames, self._duration_ns = max_frames, duration_ns
        self._start_ns = timebase.now_ns()
        self._frames = self._all()
        self._ahead: RawFrame | None = None

    def take(self) -> RawFrame | None:
        """Return the next frame."""
        taken, self._ahead = self._ahead, None
        return taken or self._read()

    def read_ahead(self) -> bool:
        """Have the next frame ready; return False if there is none. No live source is read so."""
        if self._source.repeatable and self._ahead is None:
            self._ahead = self._read()
            return self._ahead is not None
        return True

    def _read(self) -> RawFrame | None:
        begin_ns = self._timebase.now_ns()
        taken = next(self._frames, None)
        if self._source.repeatable:
            self._counts.reading_ns += self._timebase.now_ns() - begin_ns
        return taken

    def _all(self) -> Iterator[RawFrame]:
        given = 0
        live = not self._source.repeatable
        while True:
            for raw in self._source:
                if given == self._max_frames:
                    return
                given += 1
                yield raw
                if live and (
                    given == self._max_frames or 0 < self._duration_ns <= self._passed_ns()
                ):
                    return  # one more would be waited for
            self._counts.passes += 1
            if self._counts.distinct is None:
                self._counts.distinct = given
            more = self._max_frames is not None or self._passed_ns() < self._duration_ns
            if live or not more or not given:
                return

    def _passed_ns(self) -> int:
        return self._timebase.now_ns() - self._start_ns
