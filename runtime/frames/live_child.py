"""Frames of a camera's program, in the time in which they come.

A thread reads them, so that the program never waits: where a frame is not yet taken when the next
one is whole, it is dropped and counted. A program that ends or hangs is started again.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from edge_infer.boards.closing import Closing
from edge_infer.models_tflite.frame_spec import FrameSpec
from edge_infer.runtime.errors import SourceError
from edge_infer.runtime.frames.frame_child import (
    ChildSilentError,
    FrameChild,
    FrameProgram,
    Select,
    ending,
    select_ready,
)
from edge_infer.runtime.frames.source import RawFrame, input_document

_log = logging.getLogger(__name__)

BACKOFF_S = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Waits before a restart while no frame comes; after the last one it is given up."""
PATIENCE_S = 10.0
"""Without a byte for so long, a program hangs; rpicam-vid takes about 2 s to its first frame."""
DROPPED = "frames dropped, newer ones came"
_CUT = "frames cut off"


class LiveChildSource(Closing):
    """Frames of a program that goes on for ever.

    Args:
        name: of the source, as a person gave it.
        kind: for the document.
        program: writes the frames.
        spec: what the bundle takes.
        strict: raise when the program ends, instead of starting it again.
        pause: waits so many seconds; returns True at once when the source is being closed.
        select: waits for the child's pipes.
        now_ns: when a frame was read.
    """

    repeatable = False

    def __init__(
        self,
        name: str,
        kind: str,
        program: FrameProgram,
        spec: FrameSpec,
        *,
        strict: bool = False,
        pause: Callable[[float], bool] | None = None,
        select: Select = select_ready,
        now_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.name, self._kind, self._program, self._spec = name, kind, program, spec
        self.skipped: list[str] = []
        self.restarts = 0
        """Times the program was started again."""
        self._strict, self._select, self._now_ns = strict, select, now_ns
        self._left_out: Counter[str] = Counter()
        self._closing = threading.Event()
        self._pause = pause or self._closing.wait
        self._changed = threading.Condition()
        self._waiting: tuple[bytes, int] | None = None
        """The newest frame that was not taken, and when it was read."""
        self._error: Exception | None = None
        self.child: FrameChild | None = None
        self._given = 0
        """Frames that the program wrote so far."""
        self._last_reason = ""
        self._thread: threading.Thread | None = None

    def __iter__(self) -> Iterator[RawFrame]:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="frames", daemon=True)
            self._thread.start()
        index = 0
        while (taken := self._take()) is not None:
            content, read_ns = taken
            name = f"frame {index}"
            data = self._program.to_frame(content).astype(self._spec.dtype, copy=False)
            yield RawFrame(self._spec.check(data, name), None, name, read_ns)
            index += 1

    @property
    def dropped(self) -> int:
        """Frames that nobody took before the next one."""
        return self._left_out[DROPPED]

    def warnings(self) -> list[str]:
        """See Source."""
        if not self.restarts:
            return []
        times = "once" if self.restarts == 1 else f"{self.restarts} times"
        return [f"{self.name}: was started again {times}, the last time as {self._last_reason}"]

    def document(self) -> dict[str, Any]:
        """See Source."""
        more = {} if self._program.stride is None else {"stride": self._program.stride}
        return input_document(
            self._kind,
            self.name,
            self._program.done,
            +self._left_out,
            restarts=self.restarts,
            **more,
        )

    def close(self) -> None:
        """End the program. May be called twice."""
        self._closing.set()
        thread = self._thread
        if thread is None:
            return
        for end in (FrameChild.stop, FrameChild.kill):
            with self._changed:
                child = self.child
            if child is not None:
                end(child)
            thread.join(2.0)
            if not thread.is_alive():
                return

    def _take(self) -> tuple[bytes, int] | None:
        """Wait for a frame; None once the source is closed."""
        with self._changed:
            while self._waiting is None:
                if self._error is not None:
                    raise self._error
                if self._closing.is_set():
                    return None
                self._changed.wait()
            taken, self._waiting = self._waiting, None
            return taken

    # -- in the thread -------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._keep_running()
        except Exception as error:
            self._error = error
        finally:
            self._closing.set()
            with self._changed:
                self._changed.notify_all()

    def _keep_running(self) -> None:
        failures = 0
        while not self._closing.is_set():
            before = self._given
            reason = self._run_once()
            if self._closing.is_set():
                return
            failures = 1 if self._given > before else failures + 1
            if not self._given:
                raise SourceError(f"{self.name}: no frame: {reason}")
            if self._strict:
                raise SourceError(f"{self.name}: after {self._given} frames {reason}")
            if failures > len(BACKOFF_S):
                raise SourceError(
                    f"{self.name}: after {self._given} frames {reason} (no frame in "
                    f"{len(BACKOFF_S)} restarts)"
                )
            wait_s = BACKOFF_S[failures - 1]
            self._last_reason = reason
            _log.warning("%s: %s; it is started again in %g s", self.name, reason, wait_s)
            if self._pause(wait_s):
                return
            self.restarts += 1

    def _run_once(self) -> str:
        """Read frames until the program ends or hangs; return how."""
        before = self._given
        try:
            child = self._start()
        except SourceError as error:
            return str(error)
        if child is None:
            return ""
        with child:
            try:
                while (content := child.read(PATIENCE_S)) is not None:
                    if self._given == before:
                        self._program.check(child.everything_said)
                    self._put(content)
            except ChildSilentError as error:
                said = f": {child.said[-1]}" if child.said else ""
                return f"{error}{said}; {self._program.advice(child.everything_said)}"
            if child.cut_bytes:
                self._left_out[_CUT] += 1
            return ending(self._program, child, child.end())

    def _start(self) -> FrameChild | None:
        with self._changed:
            if self._closing.is_set():
                return None
            self.child = FrameChild(self._program, self._select)
            return self.child

    def _put(self, content: bytes) -> None:
        with self._changed:
            if self._waiting is not None:
                self._left_out[DROPPED] += 1
            self._waiting = content, self._now_ns()
            self._given += 1
            self._changed.notify_all()
