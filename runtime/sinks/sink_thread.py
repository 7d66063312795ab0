"""A sink behind a bounded queue, served by a thread of its own: slow or dead, it delays no frame.

Handing a record over is one append to a deque; the thread is woken once a batch. Where the queue is
full, a frame that can wait (of a file, or on a simulated board) waits for a sink that keeps all;
else the oldest record is dropped, and counted.
"""

import contextlib
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from edge_infer.boards.power import PowerSample
from edge_infer.runtime.records import InferenceRecord
from edge_infer.runtime.sinks.sink import RunState, Sink

_log = logging.getLogger(__name__)

LIMIT = 4096
"""Records that may wait: about 5 MB."""
IMPATIENT_S = 2.0
"""How long an interrupted run waits for a sink."""
_BATCH = 64
"""Records that are let out together, at most: what comes without end is not held back."""
_LET_GO_S = 10e-6
"""After each record the thread sleeps, as shortly as a kernel can: else it would keep the
interpreter for up to `sys.getswitchinterval()`, 5 ms, while an inference wants to go on."""
Item = InferenceRecord | RunState | Sequence[PowerSample]


class SinkThread:
    """Serves one sink.

    Args:
        sink: what takes the records; closed by the thread.
        frames_wait: True where a frame loses nothing by waiting.
        gives_up: True once the run shall end: then nothing is waited for any more.
        failed: called from the thread with what the sink raised.
        limit: records that may wait.
    """

    def __init__(
        self,
        sink: Sink,
        *,
        frames_wait: bool = False,
        gives_up: Callable[[], bool] = lambda: False,
        failed: Callable[[Sink, Exception], None] = lambda sink, error: None,
        limit: int = LIMIT,
    ) -> None:
        self.sink = sink
        self.offered = 0
        """Records that were handed over."""
        self.error: str | None = None
        """Why it takes no more."""
        self._waits = frames_wait and sink.keeps_all
        self._gives_up, self._failed, self._limit = gives_up, failed, limit
        self._queue: deque[Item] = deque()
        self._wanted, self._room, self._closed = (threading.Event() for _ in range(3))
        self._ending = self._abandoned = False
        self._cpu_ns: int | None = None
        self._thread = threading.Thread(target=self._serve, name=sink.name, daemon=True)

    def start(self) -> None:
        """Let the thread run; what was handed over before waits for it."""
        self._thread.start()

    def put(self, record: InferenceRecord) -> None:
        """Hand a record over; on the path of a frame."""
        self.offered += 1
        queue = self._queue
        if len(queue) >= self._limit:
            self._make_room()
        queue.append(record)

    def tell(self, item: RunState | Sequence[PowerSample]) -> None:
        """Hand over something else; it gives way where the queue is full of what cannot wait."""
        if len(self._queue) >= self._limit and not isinstance(item, RunState):
            self._wait_for_room()
        if len(self._queue) < self._limit:
            self._queue.append(item)

    def wake(self) -> None:
        """Let the thread see to what was handed over."""
        if self._queue:
            self._wanted.set()

    @property
    def waiting(self) -> int:
        """What waits for the sink now."""
        return len(self._queue)

    @property
    def dropped(self) -> int:
        """Records that the sink never got, or could not deliver, once it is closed."""
        return self.offered - self.sink.delivered

    def document(self) -> dict[str, Any]:
        """Return what came of it: an entry of `sinks` of `run --json`."""
        return {
            "name": self.sink.name,
            "written": self.sink.delivered,
            "dropped": self.dropped,
            "error": self.error,
            "cpu_us": None if self._cpu_ns is None else self._cpu_ns / 1000,
        }

    def close(self) -> None:
        """Let the sink have what waits, for as long as its patience lasts, and close it."""
        if self._abandoned:
            return
        self._ending = True
        self._wanted.set()
        patience_s = self.sink.patience_s
        if self._gives_up():
            patience_s = min(IMPATIENT_S, patience_s or IMPATIENT_S)
        if self._closed.wait(patience_s):
            self._thread.join()
            return
        self._abandoned = True
        self.error = self.error or f"it did not take all within {patience_s:g} s"
        self.sink.give_up()
        if self._closed.wait(min(patience_s or 0.0, IMPATIENT_S)):
            self._thread.join()

    def step(self) -> None:
        """Hand all that waits to the sink; the thread does this each time it is woken."""
        queue, sink = self._queue, self.sink
        while queue:
            for _ in range(min(len(queue), _BATCH)):
                try:
                    item = queue.popleft()
                except IndexError:  # it gave way meanwhile
                    break
                if self.error is None:
                    self._hand(sink, item)
                if not self._ending:
                    time.sleep(_LET_GO_S)
            self._room.set()
            if self.error is None:
                sink.flush()

    def _hand(self, sink: Sink, item: Item) -> None:
        if isinstance(item, InferenceRecord):
            sink.write(item)
        elif isinstance(item, RunState):
            sink.observe(item)
        else:
            sink.sampled(item)

    def _serve(self) -> None:
        while True:
            self._wanted.wait()
            self._wanted.clear()
            self._guard(self.step)
            if self.error is not None:
                self._queue.clear()
            if self._ending and not self._queue:
                break
        self._guard(self.sink.close)
        self._cpu_ns = time.thread_time_ns()
        self._closed.set()

    def _guard(self, action: Callable[[], None]) -> None:
        """Let an action of the sink fail: the run goes on, and the rest is counted as dropped."""
        try:
            action()
        except Exception as error:
            _log.debug("%s failed", self.sink.name, exc_info=True)
            if self.error is None:
                self.error = reason_of(error)
                self._failed(self.sink, error)
            self._room.set()

    def _make_room(self) -> None:
        self._wait_for_room()
        if len(self._queue) >= self._limit:
            with contextlib.suppress(IndexError):
                self._queue.popleft()

    def _wait_for_room(self) -> None:
        self._wanted.set()
        while self._waits and self.error is None and not self._gives_up():
            self._room.clear()
            if len(self._queue) < self._limit:
                return
            self._room.wait(0.1)


def reason_of(error: Exception) -> str:
    """Return in one line what went wrong, and with which file."""
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{os.fsdecode(error.filename)}: {error.strerror}"
    return str(error) or type(error).__name__
