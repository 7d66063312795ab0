"""The real worker without a process: it works when its events are asked for. And one that does
not work: hung or dead."""

from collections import deque

from edge_infer.boards import open_board
from edge_infer.firmware_bridge.worker.worker import REPORT_S, Worker
from edge_infer.firmware_bridge.worker.worker_pipe import (
    Job,
    WorkerEvent,
    WorkerSettings,
)


class _Pipe:
    def __init__(self) -> None:
        self.jobs: deque[Job] = deque()
        self.events: deque[WorkerEvent] = deque()

    def send(self, event: WorkerEvent) -> None:
        self.events.append(event)

    def poll(self, timeout: float) -> bool:
        return bool(self.jobs)

    def recv(self) -> Job:
        return self.jobs.popleft()


class InProcessWorker:
    """Fulfils WorkerHandle. Each look at its events lets it work a while."""

    started: "list[InProcessWorker]" = []  # noqa: RUF012 - reset by the tests that read it

    def __init__(self, settings: WorkerSettings) -> None:
        self.settings = settings
        self.hung = False
        self.dead: str | None = None
        self.ended = False
        self._time_s = 0.0
        self._pipe = _Pipe()
        self._board = open_board(settings.board)
        self._worker = Worker(self._pipe, self._board, settings, self._clock_s)
        InProcessWorker.started.append(self)

    def send(self, job: Job) -> None:
        self._pipe.jobs.append(job)

    def events(self) -> list[WorkerEvent]:
        if not self.hung and self.dead is None:
            self._worker.step()
            while self._worker.running and len(self._pipe.events) < 20:
                self._worker.step()
        found = list(self._pipe.events)
        self._pipe.events.clear()
        return found

    def death(self) -> str | None:
        return self.dead

    def descriptor(self) -> int | None:
        return None

    def end(self, *, at_once: bool = False) -> None:
        self.ended = True
        self._board.close()

    def _clock_s(self) -> float:
        self._time_s += REPORT_S / 10
        return self._time_s
