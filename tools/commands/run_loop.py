"""The loop of `run` between its signals: Ctrl-C ends it, a timer lets records of live sources out.

While a live source is waited for, nothing else would run: so a tenth of a second after an answer
its record goes on to the sinks, whenever the next frame may come. A supervisor (systemd) hears that
the run is alive as long as it waits for frames or takes some.
"""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from edge_infer.runtime.errors import InputError
from edge_infer.runtime.event_loop import DRAIN_EVERY_NS, EventLoop
from edge_infer.runtime.supervisor import supervisor_here

_DRAIN_EVERY_S = DRAIN_EVERY_NS / 1e9


class RunEnd:
    """Whether a run shall end; known before its loop is."""

    def __init__(self) -> None:
        self.loop: EventLoop | None = None
        self.reader_left = False
        """Nobody reads standard output any more."""

    def stop(self) -> None:
        """End the run after the inference at hand."""
        if self.loop is not None:
            self.loop.stop()

    def is_near(self) -> bool:
        """Return True once the run shall end before its input does."""
        return self.loop is not None and self.loop.stopping


def run_loop(loop: EventLoop, pass_time: Callable[[int], None] | None) -> Exception | None:
    """Run the loop; return the error that ended it, so that what ran can be told first.

    Args:
        loop: the loop.
        pass_time: lets a simulated board's time pass, in ns: on it too a live source is waited
            for in real time. None on a real board.
    """
    try:
        with _stopping_on_interrupt(loop), _ticking(loop, pass_time):
            loop.run()
    except KeyboardInterrupt:
        loop.stopping = True
    except Exception as error:
        return error
    except BaseException:  # SIGTERM: the sinks have no time to lose
        loop.stopping = True
        raise
    if not loop.counts.arrived and not loop.stopping:
        return InputError("no frame could be read from the input, see the lines above")
    return None


@contextmanager
def _stopping_on_interrupt(loop: EventLoop) -> Iterator[None]:
    """Let Ctrl-C end the run after the inference at hand, at once while it waits."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        waiting = loop.interruptible
        loop.stop()
        if waiting:
            raise KeyboardInterrupt

    found = signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, found)


@contextmanager
def _ticking(loop: EventLoop, pass_time: Callable[[int], None] | None) -> Iterator[None]:
    supervisor, live, taken = supervisor_here(), not loop.source.repeatable, -1
    if supervisor is None and not live:
        yield
        return

    def tick(number: int, frame: FrameType | None) -> None:
        nonlocal taken
        if live:
            if loop.interruptible and pass_time is not None:
                pass_time(DRAIN_EVERY_NS)
            loop.drain_while_waiting()
        if supervisor is not None and (loop.interruptible or taken != loop.counts.arrived):
            taken = loop.counts.arrived
            supervisor.alive(time.monotonic_ns())

    found = signal.signal(signal.SIGALRM, tick)
    signal.setitimer(signal.ITIMER_REAL, _DRAIN_EVERY_S, _DRAIN_EVERY_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, found)
