"""The agent's handle on its worker process."""

import contextlib
import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Protocol

from edge_infer.firmware_bridge.worker.worker import run_worker
from edge_infer.firmware_bridge.worker.worker_messages import (
    Job,
    WorkerEvent,
    WorkerSettings,
)

_END_S = 2.0
"""How long a worker may take to put the clock back before it is killed."""
_MAX_EVENTS = 200
"""Taken at once, so that a chatty worker cannot keep the agent from its line."""


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
        target: Callable[[Connection, WorkerSettings], None] = run_worker,
    ) -> None:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        self._connection: Connection = ours
        self._process: BaseProcess = context.Process(
            target=target, args=(theirs, settings), name="edge-infer worker", daemon=True
        )
        self._process.start()
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
        self._connection.close()
        if not at_once:
            self._process.join(_END_S)
        self._process.kill()
        self._process.join()
