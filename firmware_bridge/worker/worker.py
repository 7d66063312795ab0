"""The worker: it has the board and the engine, and answers the agent's requests.

It is a process of its own, which may hang or crash without the agent. It sends what it has to say
ten times a second, not after every inference, so that streaming costs the inferences little.
"""

import contextlib
import logging
import os
import time
from collections.abc import Callable
from multiprocessing.connection import Connection

import numpy as np

from edge_infer.boards import open_board
from edge_infer.boards.contract import Board
from edge_infer.boards.errors import BoardError
from edge_infer.boards.gpio import open_line
from edge_infer.firmware_bridge.wire.edge import (
    Finished,
    FinishEngine,
    FrameAnswer,
    FramePiece,
    OpenEngine,
    Ran,
    RunInfo,
    RunSamples,
)
from edge_infer.firmware_bridge.wire.inference import wire_energy, wire_record
from edge_infer.firmware_bridge.worker.worker_log import TappedBoard, WorkerLog
from edge_infer.firmware_bridge.worker.worker_pipe import (
    Answered,
    Begun,
    ChildWorker,
    Done,
    Failed,
    Job,
    Logged,
    Pipe,
    Ready,
    Watched,
    WorkerSettings,
)
from edge_infer.models_tflite import open_bundle
from edge_infer.models_tflite.errors import BundleError
from edge_infer.models_tflite.manifest import FULL_RATIO
from edge_infer.runtime.engine import Engine
from edge_infer.runtime.engine_contracts import Marker
from edge_infer.runtime.errors import RunError
from edge_infer.runtime.records import Frame, InferenceRecord
from edge_infer.runtime.run_watch import RunWatch

REPORT_S = 0.1
_BURST_S = 0.005
"""How long a run goes on between looks at the pipe: a look costs as much as a small stage."""

EXPECTED = (BoardError, BundleError, RunError, OSError)
"""What ends a job, or the start of a worker, with its reason and no traceback."""
_AGENT_GONE = (EOFError, BrokenPipeError, ConnectionResetError)
"""The pipe's other end is closed. OSErrors in part, and never to be told over that pipe."""

_log = logging.getLogger(__name__)


class Worker:
    """Runs jobs one after the other; between them it keeps the power log going."""

    def __init__(
        self,
        connection: Pipe,
        board: Board,
        settings: WorkerSettings,
        clock_s: Callable[[], float] = time.monotonic,
        marker: Marker | None = None,
    ) -> None:
        self._connection = connection
        self._clock_s = clock_s
        self._board = TappedBoard(board)
        self._log = WorkerLog(self._board)
        self._settings, self._marker = settings, marker
        self._bundle = open_bundle(settings.folder)
        self._samples = self._bundle.samples()
        self._engine: Engine | None = None
        self._finished = False
        """The energy account was closed; the next job needs a fresh engine."""
        self._policy, self._ratio = settings.policy, FULL_RATIO
        self._running: tuple[int, RunSamples] | None = None
        self._ran = 0
        """Frames of the run that are answered."""
        self._watch = RunWatch(self._bundle.manifest)
        """Of clients' frames, and of the samples' labels, since the bundle was started."""
        self._samples_seen = 0
        self._answered = self._told_of = 0
        self._told: Watched | None = None
        self._one_by_one = True
        """Somebody will ask for the energy of single inferences."""
        self._complete: list[InferenceRecord] = []
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
            self._run_burst(*self._running)
        else:
            self._idle()
        if self._clock_s() - self._last_report_s >= REPORT_S:
            self._report()

    @property
    def running(self) -> bool:
        """True during a run over the bundle's samples."""
        return self._running is not None

    def _serve(self, job: Job) -> None:
        try:
            match job.request:
                case OpenEngine():
                    self._done(job.number, self._change(job.request))
                case RunSamples():
                    self._begin(job.number, job.request)
                case FramePiece():
                    record = wire_record(self._infer(job.request))
                    self._done(job.number, FrameAnswer(record=record))
                case FinishEngine():
                    self._done(job.number, self._finish())
        except _AGENT_GONE:
            raise
        except EXPECTED as error:
            self._connection.send(Failed(job.number, str(error)))
        except Exception as error:
            # A frame or a policy from the line may not end the bundle that answers the others.
            _log.error("job %d failed", job.number, exc_info=error)
            self._connection.send(Failed(job.number, f"{type(error).__name__}: {error}"))

    def _done(self, job: int, answer: RunInfo | Ran | FrameAnswer | Finished) -> None:
        self._connection.send(Done(job, answer))

    def _change(self, request: OpenEngine) -> RunInfo:
        """Open another engine; where that is refused, the one before again."""
        before = self._policy, self._ratio
        self._policy, self._ratio = request.policy, request.ratio
        try:
            return self._open()
        except EXPECTED:
            self._policy, self._ratio = before
            self._open()
            raise

    def _open(self) -> RunInfo:
        if self._engine is not None:
            if not self._finished:
                self._complete += self._engine.finish()
            self._engine.close()
        self._finished = True  # until there is another
        self._log.meter_started()
        self._engine = engine = Engine(
            self._bundle,
            self._board,
            policy=self._policy,
            threads=self._settings.threads,
            ratio=self._ratio,
            marker=self._marker,
        )
        self._finished, self._one_by_one = False, True
        info = RunInfo(
            bundle=self._bundle.manifest.name,
            version=self._bundle.manifest.version,
            board=self._board.name,
            simulated=self._board.simulated,
            metered=self._board.meter is not None,
            policy=self._policy,
            ratio=self._ratio,
            exits=tuple(engine.exit_names),
            backend=engine.backend.info.document(),
        )
        self._connection.send(Ready(info))
        return info

    @property
    def _opened(self) -> Engine:
        assert self._engine is not None  # opened by the constructor
        return self._engine

    def _begin(self, job: int, request: RunSamples) -> None:
        if self._samples is None:
            raise RunError(f"the bundle {self._bundle.manifest.name} carries no samples to run")
        self._open()
        self._one_by_one = False
        self._running, self._ran = (job, request), 0

    def _run_burst(self, job: int, run: RunSamples) -> None:
        """Answer frames of the samples for a moment; after the last, drain and say so."""
        assert self._samples is not None  # checked when the run began
        frames, labels = self._samples
        count, clock_s, answer = len(frames), self._clock_s, self._answer
        end_s = clock_s() + _BURST_S
        while self._ran < run.frames:
            at = self._ran % count
            record = answer(Frame(self._ran, frames[at], label=int(labels[at])))
            if self._samples_seen == self._ran < count:
                self._watch.confusion.add(int(labels[at]), record.answer)
                self._samples_seen += 1
            self._ran += 1
            if clock_s() >= end_s:
                return
        self._running = None
        # How many inferences there were since the start, only the agent knows.
        self._done(job, Ran(True, 0, self._ran, self._finish()))

    def _infer(self, request: FramePiece) -> InferenceRecord:
        if self._finished:
            self._open()
        data = np.frombuffer(request.data, np.dtype(request.dtype)).reshape(request.shape)
        record = self._answer(Frame(request.number, data))
        self._watch.add(record)
        return record

    def _answer(self, frame: Frame) -> InferenceRecord:
        record = self._opened.infer(frame)
        self._answered += 1
        self._log.answered(record)
        return record

    def _idle(self) -> None:
        """Let a simulated board's time pass as fast as ours; read the meter for the log alone."""
        timebase = self._board.timebase
        if self._board.simulated:
            timebase.sleep_until_ns(timebase.now_ns() + round(REPORT_S * 1e9))
        self._drain()
        if self._board.meter is not None:
            self._board.meter.drain(timebase.now_ns())

    def _finish(self) -> Finished:
        engine = self._opened
        if not self._finished:
            self._complete += engine.finish()
        self._finished = True
        self._report()
        totals = engine.energy()
        return Finished(tuple(engine.residency_ns.items()), wire_energy(totals) if totals else None)

    def _report(self) -> None:
        """Send log entries and the energies that became known."""
        self._last_report_s = self._clock_s()
        self._drain()
        if entries := self._log.take():
            self._connection.send(Logged(entries))
        if self._complete:
            self._connection.send(Answered.of(self._complete, self._one_by_one))
            self._complete = []
        self._tell_watched()

    def _tell_watched(self) -> None:
        """Send what the answers say of the inputs, where there is something new."""
        if self._told_of == self._answered:
            return
        self._told_of = self._answered
        shift, labels = self._watch.shift, self._watch.labels()
        texts = [labels.text] if labels.doubtful else []
        texts += [self._watch.shift_text()] if shift.shifted else []
        watched = Watched(shift.frames, shift.evidence, "; ".join(texts))
        if watched != (self._told or Watched(0, 1.0)):
            self._connection.send(watched)
            self._told = watched

    def _drain(self) -> None:
        if not self._finished:
            self._complete += self._opened.drain()


def run_worker(connection: Connection, settings: WorkerSettings) -> None:
    """Serve requests until the agent closes the pipe. The target of the child process."""
    with contextlib.suppress(*_AGENT_GONE):
        try:
            connection.send(Begun())
            with contextlib.ExitStack() as stack:
                board = stack.enter_context(open_board(settings.board))
                for text in getattr(board, "lacks", ()):
                    _log.warning("%s", text)
                line = settings.marker and stack.enter_context(open_line(settings.marker))
                Worker(connection, board, settings, marker=line or None).run()
        except _AGENT_GONE:
            # The clock is put back; to take the process apart would outlast the agent's patience.
            os._exit(0)
        except EXPECTED as error:
            connection.send(Failed(0, str(error)))


def child_worker(settings: WorkerSettings) -> ChildWorker:
    """Start a worker in a process of its own."""
    return ChildWorker(settings, run_worker)
