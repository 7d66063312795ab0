"""The pipe between the agent and its worker process: what they say over it, and either end.

Requests and answers are those of the wire; here they get the number of a job.
"""

import contextlib
import multiprocessing
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Protocol

from edge_infer.firmware_bridge.children import start_child
from edge_infer.firmware_bridge.wire.edge import (
    EnergyRow,
    Finished,
    FinishEngine,
    FrameAnswer,
    FramePiece,
    OpenEngine,
    Ran,
    RunInfo,
    RunSamples,
)
from edge_infer.firmware_bridge.wire.inference import energy_row
from edge_infer.firmware_bridge.wire.log_batch import LogEntry
from edge_infer.runtime.records import InferenceRecord

_END_S = 0.5
"""How long a worker may take to put the clock back before it is killed: SIGTERM ends the agent
within a second. It looks up from its work every 5 ms, or after an inference."""
_MAX_EVENTS = 200
"""Taken at once, so that a chatty worker cannot keep the agent from its line."""

WorkerRequest = OpenEngine | RunSamples | FramePiece | FinishEngine
"""What a worker does; a frame comes whole."""


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """What a worker process runs."""

    folder: str
    """The bundle, laid out."""
    board: str
    policy: str = "performance"
    threads: int = 1
    marker: str | None = None
    """GPIO line that is high while an inference runs, as `open_line` takes it."""


@dataclass(frozen=True, slots=True)
class Job:
    """Something to do."""

    number: int
    request: WorkerRequest


@dataclass(frozen=True, slots=True)
class Begun:
    """What it needs is loaded; from now on it has to put the clock back."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The engine is open; what it is."""

    info: RunInfo


@dataclass(frozen=True, slots=True)
class Logged:
    """Entries for the power log, in order."""

    entries: list[LogEntry]


@dataclass(frozen=True, slots=True)
class Answered:
    """Inferences whose energy became known."""

    energies: list[EnergyRow]
    """Empty for a run over the samples."""
    exits: dict[int, int]
    """Index of the exit to inferences that left there."""
    labelled: int
    correct: int
    gross_nj: int
    net_nj: int

    @classmethod
    def of(cls, records: Sequence[InferenceRecord], one_by_one: bool) -> "Answered":
        """Sum up records; keep single energies where they will be asked for."""
        exits: dict[int, int] = {}
        labelled = correct = gross_nj = net_nj = 0
        for record in records:  # one pass: a run completes thousands at once
            exits[record.exit] = exits.get(record.exit, 0) + 1
            if record.label is not None:
                labelled += 1
                correct += record.label == record.answer
            if record.energy is not None:
                gross_nj += record.energy.gross_nj
                net_nj += record.energy.net_nj
        energies = [energy_row(record) for record in records] if one_by_one else []
        return cls(energies, exits, labelled, correct, gross_nj, net_nj)


@dataclass(frozen=True, slots=True)
class Watched:
    """What the answers so far say of the inputs."""

    frames: int
    """Of clients, held against the calibration's."""
    evidence: float
    """Odds that were beaten."""
    notice: str = ""
    """What is odd about them."""


@dataclass(frozen=True, slots=True)
class Done:
    """A job is done; its answer."""

    job: int
    answer: RunInfo | Ran | FrameAnswer | Finished


@dataclass(frozen=True, slots=True)
class Failed:
    """A job, or with number 0 the worker as a whole, failed."""

    job: int
    reason: str


WorkerEvent = Begun | Ready | Logged | Answered | Watched | Done | Failed


class Pipe(Protocol):
    """The worker's end of the pipe to the agent."""

    def send(self, event: WorkerEvent) -> None:
        """Say something."""
        ...

    def poll(self, timeout: float) -> bool:
        """Wait up to `timeout` s for a job; return True when there is one."""
        ...

    def recv(self) -> Job:
        """Return a job. Raises EOFError when the agent is gone."""
        ...


class WorkerHandle(Protocol):
    """Something that runs jobs beside the agent."""

    def send(self, job: Job) -> None:
        """Give it a job; a worker that has died is noticed by `death`."""
        ...

    def events(self) -> list[WorkerEvent]:
        """Return what it has said since; never waits."""
        ...

    def death(self) -> str | None:
        """Return how it died, None while it lives."""
        ...

    def descriptor(self) -> int | None:
        """Return what becomes readable when there are events."""
        ...

    def end(self, *, at_once: bool = False) -> None:
        """Stop it; `at_once` without letting it tidy up. May be called twice."""
        ...


class ChildWorker:
    """A worker in a fresh process (spawned: interpreters do not survive a fork)."""

    def __init__(
        self,
        settings: WorkerSettings,
        target: Callable[[Connection, WorkerSettings], None],
    ) -> None:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        self._connection: Connection = ours
        self._begun = False
        self._process: BaseProcess = context.Process(
            target=target, args=(theirs, settings), name="edge-infer worker", daemon=True
        )
        start_child(self._process)
        theirs.close()

    def send(self, job: Job) -> None:
        """See WorkerHandle."""
        with contextlib.suppress(OSError):
            self._connection.send(job)

    def events(self) -> list[WorkerEvent]:
        """See WorkerHandle."""
        found: list[WorkerEvent] = []
        with contextlib.suppress(OSError, EOFError):
            while len(found) < _MAX_EVENTS and self._connection.poll(0):
                found.append(self._connection.recv())
        self._begun = self._begun or bool(found)
        return found

    def death(self) -> str | None:
        """See WorkerHandle."""
        if self._process.is_alive() or self._connection.closed:
            return None
        code = self._process.exitcode or 0
        return f"crashed with signal {-code}" if code < 0 else f"ended with exit code {code}"

    def descriptor(self) -> int | None:
        """See WorkerHandle."""
        dead = self._connection.closed or not self._process.is_alive()
        return None if dead else self._connection.fileno()

    def end(self, *, at_once: bool = False) -> None:
        """See WorkerHandle."""
        with contextlib.suppress(OSError):
            self._begun = self._begun or self._connection.poll(0)
        self._connection.close()
        if self._begun and not at_once:
            self._process.join(_END_S)
        self._process.kill()
        self._process.join()
