"""The event loop: admits frames as they arrive, runs them in order, drains the account.

One thread and no polling: it sleeps until the next arrival on the board's timebase. On a simulated
board that is virtual time, and the same code runs at the speed of the computer.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from edge_infer.boards.timebase import Timebase
from edge_infer.runtime.arrivals import Arrivals
from edge_infer.runtime.engine_contracts import LocalEngine
from edge_infer.runtime.frames.source import RawFrame, Source
from edge_infer.runtime.records import Frame, InferenceRecord

DRAIN_EVERY_NS = 100_000_000
"""How long finished records may wait for their energy."""
LONGEST_WAIT_NS = 5_000_000_000
"""In a longer wait the meter's samples are used up meanwhile: they come a thousand a second."""


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


@dataclass
class EventLoop:
    """Runs one source through one engine.

    The queue holds at most `queue_limit` waiting frames; when another arrives, the oldest is
    dropped and counted, since the newest frame is the one worth answering.
    """

    engine: LocalEngine
    timebase: Timebase
    source: Source
    arrivals: Arrivals
    emit: Callable[[InferenceRecord], None]
    """Called with each record once its energy is known, in order."""
    drained: Callable[[], None] = lambda: None
    """Called after each batch of records; at least every `LONGEST_WAIT_NS` while time passes."""
    deadline_ns: int | None = None
    """Time from arrival to the due answer."""
    queue_limit: int = 4
    max_frames: int | None = None
    """Admit no more frames than this."""
    duration_ns: int = 0
    """Repeat the source until this much board time has passed; the last pass is finished."""
    counts: LoopCounts = field(default_factory=LoopCounts)
    stopping: bool = False
    interruptible: bool = False
    """True while the loop waits for time or input: an interrupt may break in at once."""

    def run(self) -> None:
        """Run until the source ends, `max_frames` are in, or `stop` was called.

        Whatever ends it, the records that ran are drained and emitted.
        """
        start_ns = self.timebase.now_ns()
        try:
            self._run(start_ns)
        finally:
            self.interruptible = False
            for record in self.engine.finish():
                self.emit(record)

    def stop(self) -> None:
        """End after the inference at hand; safe to call from a signal handler."""
        self.stopping = True

    def _run(self, start_ns: int) -> None:
        frames = self._looking_ahead(self._frames(start_ns))
        times = self.arrivals.times_ns(start_ns)
        queue: deque[Frame] = deque()
        drain_ns = start_ns + DRAIN_EVERY_NS
        due_ns: int | None = next(times)
        while not self.stopping:
            now_ns = self.timebase.now_ns()
            while due_ns is not None and due_ns <= now_ns and (self.arrivals.paced or not queue):
                due_ns = self._admit(frames, queue, due_ns, now_ns, times)
            if queue:
                self.engine.infer(queue.popleft(), len(queue))
            elif due_ns is None:
                break
            else:
                self._sleep_until(due_ns)
            if self.timebase.now_ns() >= drain_ns:
                drain_ns = self._drain()

    def _admit(
        self,
        frames: Iterator[tuple[RawFrame, bool]],
        queue: deque[Frame],
        due_ns: int,
        now_ns: int,
        times: Iterator[int],
    ) -> int | None:
        """Take the next frame into the queue; return when the one after it is due."""
        self.interruptible = True
        taken = next(frames, None)
        self.interruptible = False
        if taken is None:
            return None
        raw, last = taken
        arrival_ns = due_ns if self.arrivals.paced else now_ns
        if not self.source.repeatable:
            # A live stream arrives when it arrives, not when a schedule says so.
            arrival_ns = self.timebase.now_ns()
        if len(queue) == self.queue_limit:
            queue.popleft()
            self.counts.dropped += 1
        queue.append(raw.arriving(self.counts.arrived, arrival_ns, self.deadline_ns))
        self.counts.arrived += 1
        return None if last else next(times)

    def _looking_ahead(self, frames: Iterator[RawFrame]) -> Iterator[tuple[RawFrame, bool]]:
        """Yield each frame with whether it is the last, so that nobody waits for one more.

        A live source is not read ahead: that would wait for its next frame before this one runs.
        """
        if not self.source.repeatable:
            for raw in frames:
                yield raw, False
            return
        held = next(frames, None)
        while held is not None:
            following = next(frames, None)
            yield held, following is None
            held = following

    def _frames(self, start_ns: int) -> Iterator[RawFrame]:
        given = 0
        while True:
            for raw in self.source:
                if given == self.max_frames:
                    return
                given += 1
                yield raw
            self.counts.passes += 1
            if self.counts.distinct is None:
                self.counts.distinct = given
            passed_ns = self.timebase.now_ns() - start_ns
            more = self.max_frames is not None or passed_ns < self.duration_ns
            if not (self.source.repeatable and more):
                return
            if not given:
                return

    def _sleep_until(self, due_ns: int) -> None:
        self.engine.rest()
        while (now_ns := self.timebase.now_ns()) < due_ns:
            self.interruptible = True
            self.timebase.sleep_until_ns(min(due_ns, now_ns + LONGEST_WAIT_NS))
            self.interruptible = False
            if due_ns - now_ns > LONGEST_WAIT_NS:
                self._drain()

    def _drain(self) -> int:
        for record in self.engine.drain():
            self.emit(record)
        self.drained()
        return self.timebase.now_ns() + DRAIN_EVERY_NS
