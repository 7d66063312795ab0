"""Supervises the worker: jobs and their answers, what hangs and what crashes, statistics."""

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge_infer.firmware_bridge.smp.agent import RefusalError
from edge_infer.firmware_bridge.wire.command import Fields
from edge_infer.firmware_bridge.wire.edge import EnergyRow, RunInfo
from edge_infer.firmware_bridge.wire.standard import Code
from edge_infer.firmware_bridge.worker.power_log import PowerLog
from edge_infer.firmware_bridge.worker.worker_pipe import (
    Answered,
    Done,
    Failed,
    Job,
    Logged,
    Ready,
    Watched,
    WorkerEvent,
    WorkerHandle,
    WorkerRequest,
    WorkerSettings,
)

_log = logging.getLogger(__name__)

HANG_NS = 30_000_000_000
"""A worker with a job that says nothing for so long has hung: it reports ten times a second."""
_MAX_RESTARTS = 3
"""In a row without an answer in between; then the bundle is left stopped."""
_KEPT_ENERGIES = 4096

StartWorker = Callable[[WorkerSettings], WorkerHandle]


@dataclass(slots=True)
class RunStatistics:
    """What the bundle did since it was started."""

    inferences: int = 0
    exits: dict[int, int] = field(default_factory=dict)
    labelled: int = 0
    correct: int = 0
    net_nj: int = 0
    gross_nj: int = 0
    restarts: int = 0
    last_failure: str = ""
    watched: Watched | None = None
    """What the answers say of the inputs."""


class Runner:
    """One worker, restarted when it dies.

    Args:
        start: makes a worker.
        board: the board's name, as `open_board` takes it.
        log: takes the worker's log entries.
        on_good: called with the number of inferences answered since the start.
        on_failure: called with the reason when the bundle fails for good.
        policy: clock policy.
        marker: GPIO line that is high while an inference runs.
    """

    def __init__(
        self,
        start: StartWorker,
        board: str,
        log: PowerLog,
        on_good: Callable[[int], None] = lambda count: None,
        on_failure: Callable[[str], None] = lambda reason: None,
        policy: str = "performance",
        marker: str | None = None,
    ) -> None:
        self._start = start
        self._board = board
        self._policy, self._marker = policy, marker
        self._log = log
        self._on_good = on_good
        self._on_failure = on_failure
        self._worker: WorkerHandle | None = None
        self._folder: Path | None = None
        self._answers: dict[int, Fields | RefusalError] = {}
        self._open_jobs: set[int] = set()
        self._jobs = 0
        self._failures = 0
        self._heard_ns = 0
        self.info: RunInfo | None = None
        """What runs; None while nothing is ready."""
        self.statistics = RunStatistics()
        self.energies: deque[EnergyRow] = deque(maxlen=_KEPT_ENERGIES)
        """Answered energies that nobody has fetched yet."""

    def open(self, folder: Path | None) -> None:
        """Run the bundle laid out in `folder`, or nothing."""
        self.close()
        self._folder = folder
        self._failures = 0
        self.statistics = RunStatistics()
        self._spawn()

    def close(self) -> None:
        """End the worker; jobs that wait are refused. May be called twice."""
        if self._worker is not None:
            self._worker.end()
            self._worker = None
        self.info = None
        self._refuse_open_jobs("the bundle was stopped")

    def submit(self, request: WorkerRequest, now_ns: int) -> int:
        """Give the worker a job and return its number. Raises RefusalError when nothing runs."""
        if self._worker is None or self.info is None:
            why = self.statistics.last_failure or "it starts, or none was flashed"
            raise RefusalError(Code.BUSY if self._worker else Code.BAD_STATE, f"no bundle: {why}")
        self._jobs += 1
        if not self._open_jobs:
            self._heard_ns = now_ns
        self._open_jobs.add(self._jobs)
        self._worker.send(Job(self._jobs, request))
        return self._jobs

    def answer(self, job: int) -> Any | None:
        """Return a job's answer, None while there is none. Raises RefusalError."""
        found = self._answers.get(job)
        if isinstance(found, RefusalError):
            raise found
        return found

    def running(self, job: int) -> bool:
        """Return True while a job has no answer."""
        return job in self._open_jobs

    @property
    def busy(self) -> bool:
        """True while any job has no answer."""
        return bool(self._open_jobs)

    def poll(self, now_ns: int) -> None:
        """Take what the worker said, and notice when it died or hangs."""
        if self._worker is None:
            return
        for event in self._worker.events():
            self._heard_ns = now_ns
            self._take(event)
            if self._worker is None:  # an event ended it
                return
        if death := self._worker.death():
            self._fail(f"the run {death}", now_ns)
        elif self._open_jobs and now_ns - self._heard_ns > HANG_NS:
            self._fail(f"the run hung: no sign of life for {HANG_NS // 10**9} s", now_ns)

    def descriptors(self) -> list[int]:
        """Return what to wake up for."""
        descriptor = self._worker.descriptor() if self._worker else None
        return [] if descriptor is None else [descriptor]

    def _spawn(self) -> None:
        if self._folder is not None:
            settings = WorkerSettings(
                str(self._folder), self._board, self._policy, marker=self._marker
            )
            self._worker = self._start(settings)

    def _take(self, event: WorkerEvent) -> None:
        match event:
            case Ready(info):
                self.info = info
            case Logged(entries):
                self._log.extend(entries)
            case Answered():
                self._count(event)
            case Watched():
                self._take_notice(event)
            case Done(job, answer):
                self._close_job(job, answer)
            case Failed(0, reason):
                self.statistics.last_failure = reason
            case Failed(job, reason):
                self._close_job(job, RefusalError(Code.INVALID, reason))

    def _take_notice(self, watched: Watched) -> None:
        before, self.statistics.watched = self.statistics.watched, watched
        if watched.notice and not (before and before.notice):  # its figures go on changing
            _log.warning("%s", watched.notice)

    def _count(self, answered: Answered) -> None:
        total = self.statistics
        self.energies.extend(answered.energies)
        for exit_index, count in answered.exits.items():
            total.exits[exit_index] = total.exits.get(exit_index, 0) + count
            total.inferences += count
        total.gross_nj += answered.gross_nj
        total.net_nj += answered.net_nj
        total.labelled += answered.labelled
        total.correct += answered.correct
        self._failures = 0
        self._on_good(total.inferences)

    def _close_job(self, job: int, answer: Fields | RefusalError) -> None:
        self._open_jobs.discard(job)
        self._answers[job] = answer
        # Answers are fetched within a repetition or two; older ones nobody waits for.
        for old in [number for number in self._answers if number <= job - 64]:
            del self._answers[old]

    def _refuse_open_jobs(self, reason: str) -> None:
        for job in tuple(self._open_jobs):
            self._close_job(job, RefusalError(Code.BAD_STATE, reason))

    def _fail(self, reason: str, now_ns: int) -> None:
        reported = self.statistics.last_failure if self.info is None else ""
        reason = reported or reason
        self.statistics.last_failure = reason
        assert self._worker is not None
        self._worker.end(at_once=True)
        self._worker, self.info = None, None
        self._refuse_open_jobs(reason)
        self._failures += 1
        if self._failures >= _MAX_RESTARTS:
            self._on_failure(f"{reason} ({self._failures} times in a row)")
            return
        self.statistics.restarts += 1
        self._heard_ns = now_ns
        self._spawn()
