"""The event loop: admits frames as they arrive, runs them in order, drains the account.

One thread and no polling: it sleeps until the next arrival on the board's timebase. On a simulated
board that is virtual time, and the same code runs at the speed of the computer.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from edge_infer.boards.timebase import MonotonicTimebase, Timebase
from edge_infer.runtime.arrivals import Arrivals
from edge_infer.runtime.engine_contracts import LocalEngine
from edge_infer.runtime.frame_reader import FrameReader, LoopCounts
from edge_infer.runtime.frames.source import RawFrame, Source
from edge_infer.runtime.records import Frame, InferenceRecord

DRAIN_EVERY_NS = 100_000_000
"""How long finished records may wait for their energy."""
LONGEST_WAIT_NS = 5_000_000_000
"""In a longer wait the meter's samples are used up meanwhile: they come a thousand a second."""


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
    """Called after each batch of records; at least every `longest_wait_ns` while time passes."""
    longest_wait_ns: int = LONGEST_WAIT_NS
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
        try:
            self._run()
        except Exception:
            raise
        except BaseException:  # a signal: what is let out below waits for nobody
            self.stopping = True
            raise
        finally:
            self.interruptible = False
            for record in self.engine.finish():
                self.emit(record)

    def stop(self) -> None:
        """End after the inference at hand; safe to call from a signal handler."""
        self.stopping = True

    def drain_while_waiting(self) -> None:
        """Let records out where the loop waits for input; a signal handler may call this.

        Raises:
            KeyboardInterrupt: `stop` was called meanwhile.
        """
        if not self.interruptible:
            return
        self.interruptible = False
        self._drain()
        if self.stopping:
            raise KeyboardInterrupt
        self.interruptible = True

    def _run(self) -> None:
        reader = FrameReader(
            self.source, self.timebase, self.counts, self.max_frames, self.duration_ns
        )
        self._read_ahead(reader)
        start_ns = self.timebase.now_ns()
        times = self.arrivals.times_ns(start_ns)
        queue: deque[Frame] = deque()
        drain_ns = start_ns + DRAIN_EVERY_NS
        due_ns: int | None = next(times)
        while not self.stopping:
            now_ns = self.timebase.now_ns()
            while due_ns is not None and due_ns <= now_ns and (self.arrivals.paced or not queue):
                due_ns = next(times) if self._admit(reader, queue, due_ns) else None
            if queue:
                self.engine.infer(queue.popleft(), len(queue))
            elif due_ns is None:
                break
            elif self._read_ahead(reader):
                self._sleep_until(due_ns)
            else:
                due_ns = None  # nobody waits for one more
            if self.timebase.now_ns() >= drain_ns:
                drain_ns = self._drain()

    def _admit(self, reader: FrameReader, queue: deque[Frame], due_ns: int) -> bool:
        """Take the next frame into the queue; return False if there is none."""
        self.interruptible = True
        raw = reader.take()
        self.interruptible = False
        if raw is None:
            return False
        # A frame of a file arrives when it has been read; a schedule says otherwise, but not to a
        # live stream.
        scheduled = self.arrivals.paced and self.source.repeatable
        arrival_ns = due_ns if scheduled else came_ns(raw, self.timebase)
        if len(queue) == self.queue_limit:
            queue.popleft()
            self.counts.dropped += 1
        queue.append(raw.arriving(self.counts.arrived, arrival_ns, self.deadline_ns))
        self.counts.arrived += 1
        return True

    def _read_ahead(self, reader: FrameReader) -> bool:
        self.interruptible = True
        found = reader.read_ahead()
        self.interruptible = False
        return found

    def _sleep_until(self, due_ns: int) -> None:
        self.engine.rest()
        step_ns = DRAIN_EVERY_NS  # what has just run is let out first
        while (now_ns := self.timebase.now_ns()) < due_ns:
            self.interruptible = True
            self.timebase.sleep_until_ns(min(due_ns, now_ns + step_ns))
            self.interruptible = False
            if due_ns - now_ns > step_ns:
                self._drain()
                step_ns = self.longest_wait_ns

    def _drain(self) -> int:
        for record in self.engine.drain():
            self.emit(record)
        self.drained()
        return self.timebase.now_ns() + DRAIN_EVERY_NS


def came_ns(raw: RawFrame, timebase: Timebase) -> int:
    """Return when a frame came: a camera's when it was read, where that clock is the board's."""
    if raw.read_ns is not None and isinstance(timebase, MonotonicTimebase):
        return raw.read_ns
    return timebase.now_ns()
