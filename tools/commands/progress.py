"""Progress on a terminal, by rich: a bar with rate and time left, or what is under way since when.

Nothing is drawn before `QUIET_S` have passed, and nothing at all where standard error is no
terminal: so a quick command stays quiet, and a log has no bars.
"""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from edge_infer.runtime.records import InferenceRecord
from edge_infer.runtime.sinks.sink import Sink

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as RichProgress

QUIET_S = 1.5
"""How long a command takes without a word: two seconds less what it takes to draw."""
_REFRESH_HZ = 2


def can_draw() -> bool:
    """Return whether standard error is a terminal that can be drawn on."""
    return sys.stderr.isatty() and os.environ.get("TERM", "") not in ("", "dumb")


class Bar:
    """How much of a job is done, with its rate and the time left.

    Args:
        unit: of what is counted, in the plural; "bytes" are shown in kB and MB.
        console: where to draw; standard error if None.
        clock_s: real time.
    """

    def __init__(
        self,
        unit: str,
        console: "Console | None" = None,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._unit, self._console, self._clock_s = unit, console, clock_s
        self._begin_s = clock_s()
        self._quiet_since_s = under_way.begun_s or self._begin_s
        self._draws = console is not None or can_draw()
        self.progress: RichProgress | None = None
        self._task: Any = None

    def show(self, done: int, total: int | None) -> None:
        """Show how far it is; `total` is None where nobody knows."""
        if not self._draws:
            return
        if self.progress is None:
            if self._clock_s() - self._quiet_since_s < QUIET_S:
                return
            self._start()
        assert self.progress is not None
        self.progress.update(self._task, completed=done, total=total, rate=self._rate(done))

    def close(self) -> None:
        """Take the bar away."""
        if self.progress is not None:
            self.progress.stop()
            self.progress, self._draws = None, False

    def _rate(self, done: int) -> str:
        rate = done / max(self._clock_s() - self._begin_s, 1e-3)
        return f"{rate / 1000:,.1f} kB/s" if self._unit == "bytes" else f"{rate:,.3g}/s"

    def _start(self) -> None:
        from rich.console import Console  # few commands take so long
        from rich.progress import (
            BarColumn,
            Progress,
            TaskProgressColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        self.progress = Progress(
            TaskProgressColumn(),
            BarColumn(20),
            TextColumn("{task.completed:,} {task.description}"),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self._console or Console(stderr=True),
            transient=True,
            refresh_per_second=_REFRESH_HZ,
            redirect_stdout=sys.stdout.isatty(),
        )
        self._task = self.progress.add_task(self._unit, total=None, rate="")
        _begun_before(self.progress)
        under_way.end_status()
        self.progress.start()


def _begun_before(drawn: "RichProgress") -> None:
    """Let the elapsed time hold what passed before anything was drawn."""
    for task in drawn.tasks:
        if task.start_time is not None:
            task.start_time -= QUIET_S


@contextmanager
def bar(unit: str) -> Iterator[Callable[[int, int | None], None]]:
    """Give out a function that shows how much is done of how much; see `Bar`."""
    shown = Bar(unit)
    try:
        yield shown.show
    finally:
        shown.close()


class RunProgress(Sink):
    """Shows how many frames of a run are answered.

    Args:
        total: frames of the run, None where nobody knows.
        drawn: the bar.
    """

    name = "progress"
    shows = True
    keeps_all = False
    patience_s = 2.0

    def __init__(self, total: int | None, drawn: Bar) -> None:
        self._total, self._bar = total, drawn

    def write(self, record: InferenceRecord) -> None:
        """Count one record."""
        self.delivered += 1

    def flush(self) -> None:
        """Show the count."""
        self._bar.show(self.delivered, self._total)

    def close(self) -> None:
        """Take the bar away."""
        self._bar.close()


class _UnderWay:
    """What a command is at, and since when, below what it prints."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None
        self._status: Any = None
        self.begun_s: float | None = None
        """When the command began, where that is known."""
        self._bar: Bar | None = None
        self._counted_s = 0.0

    def begin(self, sentence: str) -> None:
        """Take up a job; it is shown once it has lasted `QUIET_S`."""
        self._end_bar()
        with self._lock:
            self._end()
            self.begun_s = self.begun_s or time.monotonic()
            self._timer = threading.Timer(QUIET_S, self._show, (sentence,))
            self._timer.daemon = True
            self._timer.start()

    def count(self, unit: str, done: int, total: int) -> None:
        """Show how far the job is, in place of since when; cheap enough for each of many."""
        now_s = time.monotonic()
        if now_s - self._counted_s < 0.5 / _REFRESH_HZ:
            return
        self._counted_s = now_s
        self._bar = self._bar or Bar(unit)
        self._bar.show(done, total)

    def end(self) -> None:
        """Nothing is under way any more."""
        self._end_bar()
        self.end_status()

    def end_status(self) -> None:
        """Take away since when it is under way: a bar tells more."""
        with self._lock:
            self._end()

    def _end_bar(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._status is not None:
            self._status.stop()
            self._status = None

    def _show(self, sentence: str) -> None:
        from rich.console import Console
        from rich.progress import Progress, TextColumn, TimeElapsedColumn

        with self._lock:
            if self._timer is None:  # it has ended meanwhile
                return
            self._status = Progress(
                TextColumn("... {task.description}", markup=False),
                TimeElapsedColumn(),
                console=Console(stderr=True),
                transient=True,
                refresh_per_second=_REFRESH_HZ,
                redirect_stdout=sys.stdout.isatty(),
            )
            self._status.add_task(sentence, total=None)
            _begun_before(self._status)
            self._status.start()


under_way = _UnderWay()
"""Of this process: `note` of `render` begins, what is printed last ends."""
