"""The worker: it has the board and the engine, and answers the agent's requests.

It sends what it has to say ten times a second, not after every inference, so that streaming
costs the inferences little.
"""

import time
from collections.abc import Callable
from typing import Protocol

import numpy as np

from edge_infer.boards.contract import Board
from edge_infer.boards.errors import BoardError
from edge_infer.firmware_bridge.smp.message import Body
from edge_infer.firmware_bridge.worker.record_body import to_body, totals_to_body
from edge_infer.firmware_bridge.worker.tapped_meter import TappedBoard
from edge_infer.firmware_bridge.worker.worker_log import WorkerLog
from edge_infer.firmware_bridge.worker.worker_messages import (
    Done,
    Failed,
    FinishEngine,
    InferFrame,
    Logged,
    OpenEngine,
    Ready,
    RunSamples,
    Settled,
    WorkerEvent,
    WorkerRequest,
    WorkerSettings,
)
from edge_infer.models_tflite import open_bundle
from edge_infer.models_tflite.errors import BundleError
from edge_infer.models_tflite.manifest import FULL_RATIO
from edge_infer.runtime.engine import Engine, backend_document
from edge_infer.runtime.errors import RunError
from edge_infer.runtime.records import Frame, InferenceRecord

REPORT_S = 0.1
_BURST_S = 0.005
"""How long a run goes on between looks at the pipe: a look costs as much as a small stage."""

EXPECTED = (BoardError, BundleError, RunError, OSError)


class Pipe(Protocol):
    """The worker's end of the pipe to the agent."""

    def send(self, event: WorkerEvent) -> None:
        """Say something."""
        ...

    def poll(self, timeout: float) -> bool:
        """Wait up to `timeout` s for a request; return True when there is one."""
        ...

    def recv(self) -> WorkerRequest:
        """Return the request. Raises EOFError when the agent is gone."""
        ...


class Worker:
    """Runs jobs one after the other; between them it keeps the power log going."""

    def __init__(
        self,
        connection: Pipe,
        board: Board,
        settings: WorkerSettings,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connection = connection
        self._clock_s = clock_s
        self._board = TappedBoard(board)
        self._log = WorkerLog(self._board)
        self._settings = settings
        self._bundle = open_bundle(settings.folder)
        self._samples = self._bundle.samples()
        self._engine: Engine | None = None
        self._finished = False
        """The energy account was closed; the next job needs a fresh engine."""
        self._policy, self._ratio = settings.policy, FULL_RATIO
        self._running: RunSamples | None = None
        self._ran = 0
        """Frames of the run that are answered."""
        self._one_by_one = True
        """Somebody will ask for the energy of single inferences."""
        self._settled: list[InferenceRecord] = []
        self._last_report_s = clock_s()
        self._open()

    def run(self) -> None:
        """Serve until the pipe closes."""
        while True:
            self.step()

    def step(self) -> None:
        """Serve a request if there is one, answer one frame of a run, report when it is time."""
        if self._connection.poll(0 if self._running else REPORT_S):
            self._serve(self._connection.recv())
        if self._running:
            self._run_burst(self._running)
        else:
            self._idle()
        if self._clock_s() - self._last_report_s >= REPORT_S:
            self._report()

    @property
    def running(self) -> bool:
        """True during a run over the bundle's samples."""
        return self._running is not None

    def _serve(self, request: WorkerRequest) -> None:
        try:
            match request:
                case OpenEngine(job):
                    self._connection.send(Done(job, self._change(request)))
                case RunSamples():
                    self._begin(request)
                case InferFrame(job):
                    self._connection.send(Done(job, to_body(self._infer(request))))
                case FinishEngine(job):
                    self._connection.send(Done(job, self._finish()))
        except EXPECTED as error:
            self._connection.send(Failed(request.job, str(error)))

    def _change(self, request: OpenEngine) -> Body:
        """Open another engine; where that is refused, the one before again."""
        before = self._policy, self._ratio
        self._policy, self._ratio = request.policy, request.ratio
        try:
            return self._open()
        except EXPECTED:
            self._policy, self._ratio = before
            self._open()
            raise

    def _open(self) -> Body:
        if self._engine is not None:
            if not self._finished:
                self._settled += self._engine.finish()
            self._engine.close()
        self._finished = True  # until there is another
        self._log.meter_started()
        self._engine = engine = Engine(
            self._bundle,
            self._board,
            policy=self._policy,
            threads=self._settings.threads,
            ratio=self._ratio,
        )
        self._finished, self._one_by_one = False, True
        info: Body = {
            "bundle": self._bundle.manifest.name,
            "version": self._bundle.manifest.version,
            "board": self._board.name,
            "simulated": self._board.simulated,
            "metered": self._board.meter is not None,
            "policy": self._policy,
            "ratio": self._ratio,
            "exits": list(engine.exit_names),
            "backend": dict(backend_document(engine.backend)),
        }
        self._connection.send(Ready(info))
        return info

    @property
    def _opened(self) -> Engine:
        assert self._engine is not None  # opened by the constructor
        return self._engine

    def _begin(self, request: RunSamples) -> None:
        if self._samples is None:
            raise RunError(f"the bundle {self._bundle.manifest.name} carries no samples to run")
        self._open()
        self._one_by_one = False
        self._running, self._ran = request, 0

    def _run_burst(self, run: RunSamples) -> None:
        """Answer frames of the samples for a moment; after the last, settle and say so."""
        assert self._samples is not None  # checked when the run began
        frames, labels = self._samples
        count, clock_s, answer = len(frames), self._clock_s, self._answer
        end_s = clock_s() + _BURST_S
        while self._ran < run.frames:
            at = self._ran % count
            answer(Frame(self._ran, frames[at], label=int(labels[at])))
            self._ran += 1
            if clock_s() >= end_s:
                return
        self._running = None
        self._connection.send(Done(run.job, {"frames": self._ran, **self._finish()}))

    def _infer(self, request: InferFrame) -> InferenceRecord:
        if self._finished:
            self._open()
        data = np.frombuffer(request.data, np.dtype(request.dtype)).reshape(request.shape)
        return self._answer(Frame(request.number, data))

    def _answer(self, frame: Frame) -> InferenceRecord:
        record = self._opened.infer(frame)
        self._log.answered(record)
        return record

    def _idle(self) -> None:
        """Let a simulated board's time pass as fast as ours; read the meter for the log alone."""
        timebase = self._board.timebase
        if self._board.simulated:
            timebase.sleep_until_ns(timebase.now_ns() + round(REPORT_S * 1e9))
        self._settle()
        if self._board.meter is not None:
            self._board.meter.drain(timebase.now_ns())

    def _finish(self) -> Body:
        engine = self._opened
        if not self._finished:
            self._settled += engine.finish()
        self._finished = True
        self._report()
        totals = engine.energy()
        return {
            "residency": [[khz, ns] for khz, ns in engine.residency_ns.items()],
            "energy": totals_to_body(totals) if totals else None,
        }

    def _report(self) -> None:
        """Send log entries and settled energies."""
        self._last_report_s = self._clock_s()
        self._settle()
        if entries := self._log.take():
            self._connection.send(Logged(entries))
        if self._settled:
            self._connection.send(Settled.of(self._settled, self._one_by_one))
            self._settled = []

    def _settle(self) -> None:
        if not self._finished:
            self._settled += self._opened.settle()
