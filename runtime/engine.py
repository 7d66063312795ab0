"""The engine of this board: one frame in, one record out.

The hot path is `infer`. Everything it needs is bound once in the constructor: per stage the
interpreter's call, the exit criterion, the work for a simulated board. Early exit and little/big
are the same loop: a stage reads the features of the stage before it, or the frame again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, NamedTuple, Self

from numpy.typing import NDArray

from boards.contract import Board
from boards.operating_point import OperatingPoint
from boards.timebase import Timebase
from boards.work import Work
from models_tflite.backend import Backend, open_backend
from models_tflite.bundle import Bundle
from models_tflite.manifest import FULL_RATIO
from models_tflite.stage import LoadedStage, load_stages
from runtime.accounting import (
    Account,
    EnergyTotals,
    IdleReference,
    UnmeteredAccount,
    measure_idle,
)
from runtime.errors import RunError
from runtime.exit_criterion import Criterion, exit_criteria
from runtime.governor import Governor, open_governor
from runtime.metered_account import MeteredAccount
from runtime.modelled_account import ModelledAccount
from runtime.records import ExitDecision, Frame, InferenceRecord, StageResult
from runtime.stage_work import work_of

IDLE_REFERENCE_NS = 1_000_000_000
"""How long the idle reference is measured before the first frame."""


class Step(NamedTuple):
    """What `infer` needs of one stage."""

    prepare: Callable[[NDArray[Any]], Sequence[NDArray[Any]]] | None
    """Frame to stage inputs; None for a stage that takes the features before it."""
    run: Callable[[Sequence[NDArray[Any]]], NDArray[Any]]
    features: Callable[[], Sequence[NDArray[Any]]]
    judge: Criterion
    work: Work


class Engine:
    """Runs a bundle on a board. A context manager; the board stays open when it closes.

    Args:
        bundle: an open, verified bundle.
        board: an open board.
        policy: name of a governor's policy, see `runtime.governor`.
        backend: interpreter backend; the platform's default if None.
        threads: interpreter threads.
        ratio: pruning ratio, a key of the manifest's thresholds.
        governor: a governor of your own, instead of `policy`. It may offer `thread_counts` (the
            interpreters are loaded for each of them), and `leaves(stage, decision)` to leave
            although the exit criterion says stay.

    Raises:
        PolicyError: the policy is unknown or asks for a clock that is not offered.
        BundleError: a stage cannot be loaded.
        BoardError: the meter does not answer, or the clock cannot be set.
    """

    def __init__(
        self,
        bundle: Bundle,
        board: Board,
        *,
        policy: str = "performance",
        backend: Backend | None = None,
        threads: int = 1,
        ratio: str = FULL_RATIO,
        governor: Governor | None = None,
    ) -> None:
        manifest = bundle.manifest
        if ratio not in manifest.thresholds:
            offered = ", ".join(manifest.thresholds)
            raise RunError(f"{manifest.name} has no ratio {ratio}; there are: {offered}")
        self.bundle = bundle
        self.board = board
        self.backend = backend or open_backend()
        self.ratio = ratio
        self.governor = governor or open_governor(policy, board.clock.supported_khz(), threads)
        counts = getattr(self.governor, "thread_counts", (threads,))
        loaded = {count: load_stages(bundle, self.backend, count) for count in counts}
        self.stages = loaded[counts[0]]
        self._steps_of = {count: _steps(own, bundle, ratio) for count, own in loaded.items()}
        self._steps = self._steps_of[counts[0]]
        self._leaves = getattr(self.governor, "leaves", None)
        every = (stage for own in loaded.values() for stage in own)
        self._resets = tuple(stage.reset for stage in every if stage.reset is not None)
        self.works = tuple(step.work for step in self._steps)
        self.cost_table = board.cost_table(self.works)
        self.residency_ns: dict[int, int] = {}
        self.switches = 0
        self._now_ns = board.timebase.now_ns
        self._spend = board.spend
        self._closed = False
        if board.meter is not None:
            board.meter.start()
        idle = self._idle_reference()
        self._asked: OperatingPoint | None = None
        self._in_force = OperatingPoint(board.clock.current_khz(), counts[0])
        self._since_ns = self._now_ns()
        point = self.governor.idle_point()
        if point is not None:
            self._go(point)
        self.start_ns = self._now_ns()
        self._account = self._open_account(idle)

    @property
    def timebase(self) -> Timebase:
        """The board's time: frames arrive in it."""
        return self.board.timebase

    @property
    def exit_names(self) -> tuple[str, ...]:
        """Names of the stages, in order: an inference leaves at one of them."""
        return tuple(work.name for work in self.works)

    def infer(self, frame: Frame, backlog: int = 0) -> InferenceRecord:
        """Answer one frame.

        Args:
            frame: data in the shape and dtype the manifest's first stage takes.
            backlog: frames that wait behind this one.

        Returns:
            The record; its energy is filled once `settle` or `finish` has returned it.

        Raises:
            FrameError: the data has another shape or dtype.
            ClockError: the governor's clock cannot be set.
        """
        now_ns = self._now_ns
        governor = self.governor
        start_ns = now_ns()
        for reset in self._resets:
            reset()
        switches = self.switches
        starts: list[int] = []
        ends: list[int] = []
        points: list[OperatingPoint] = []
        inputs: Sequence[NDArray[Any]] = ()
        invoke_ns = 0
        spend = self._spend
        steps_of, leaves = self._steps_of, self._leaves
        point = governor.first_point(frame, start_ns, backlog)
        for index in range(len(self._steps)):
            if point is not self._asked:
                self._go(point)
            in_force = self._in_force
            step = steps_of[in_force.threads][index]
            begin_ns = now_ns()
            if step.prepare is not None:
                inputs = step.prepare(frame.data)
            scores = step.run(inputs)
            invoke_ns += now_ns() - begin_ns
            decision = step.judge(scores)
            spend(step.work, in_force)
            end_ns = now_ns()
            starts.append(begin_ns)
            ends.append(end_ns)
            points.append(in_force)
            if decision.leave or (leaves is not None and leaves(index, decision)):
                break
            inputs = step.features()
            point = governor.next_point(frame, StageResult(index, scores, end_ns), decision)
        record = InferenceRecord(
            frame.number,
            decision.answer,
            index,
            decision.confidence,
            start_ns if frame.arrival_ns is None else frame.arrival_ns,
            start_ns,
            end_ns,
            tuple(starts),
            tuple(ends),
            tuple(points),
            self.switches - switches,
            invoke_ns,
            frame.label,
            frame.deadline_ns,
            self.ratio,
        )
        self._account.add(record)
        governor.learn(record)
        return record

    def decide(self, scores: Sequence[NDArray[Any]]) -> tuple[int, ExitDecision]:
        """Replay: return the exit and decision that these raw scores, one per stage, lead to."""
        for index, step in enumerate(self._steps):
            decision = step.judge(scores[index])
            if decision.leave:
                break
        return index, decision

    def settle(self) -> Sequence[InferenceRecord]:
        """Return the records whose energy became known. Raises BusError if the meter failed."""
        now_ns = self._now_ns()
        # Nothing has run since the last record: so samples of a long wait are used up too.
        self._account.waited(now_ns, self._in_force.clock_khz)
        return self._account.settle(now_ns)

    def rest(self) -> None:
        """Go to the point that the governor waits at."""
        point = self.governor.idle_point()
        if point is not None and point is not self._asked:
            self._go(point)
            self._account.waited(self._now_ns(), self._in_force.clock_khz)

    def finish(self) -> Sequence[InferenceRecord]:
        """End the run and return the records still open."""
        self._stay(self._now_ns())
        return self._account.close(self._now_ns())

    def energy(self) -> EnergyTotals | None:
        """Return the rail over the run so far; None on a board without meter and cost table."""
        return self._account.totals()

    def close(self) -> None:
        """Stop the meter and put the clock back. May be called twice."""
        if not self._closed:
            self._closed = True
            if self.board.meter is not None:
                self.board.meter.stop()
            self.board.clock.reset()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _go(self, point: OperatingPoint) -> None:
        """Change the operating point; note the one that the board really took."""
        before = self._in_force
        if self._asked is not None and point.clock_khz == self._asked.clock_khz:
            khz = before.clock_khz  # other threads: the clock needs no asking
        else:
            khz = self.board.clock.set_khz(point.clock_khz)
            self._stay(self._now_ns())
        self._asked = point
        self._in_force = point if khz == point.clock_khz else replace(point, clock_khz=khz)
        if khz != before.clock_khz:
            self.switches += 1

    def _stay(self, now_ns: int) -> None:
        khz = self._in_force.clock_khz
        self.residency_ns[khz] = self.residency_ns.get(khz, 0) + now_ns - self._since_ns
        self._since_ns = now_ns

    def _idle_reference(self) -> IdleReference | None:
        meter = self.board.meter
        return None if meter is None else measure_idle(self.board, meter, IDLE_REFERENCE_NS)

    def _open_account(self, idle: IdleReference | None) -> Account:
        names = self.exit_names
        meter = self.board.meter
        if meter is not None and idle is not None:
            khz = self._in_force.clock_khz
            return MeteredAccount(meter, idle, self.start_ns, self.cost_table, names, khz)
        if self.cost_table is not None:
            return ModelledAccount(self.cost_table, self.start_ns, names)
        return UnmeteredAccount()


def _steps(stages: Sequence[LoadedStage], bundle: Bundle, ratio: str) -> tuple[Step, ...]:
    return tuple(
        Step(
            stage.prepare,
            stage.run,
            stage.features,
            judge,
            work_of(stage.spec, index, len(stages)),
        )
        for index, (stage, judge) in enumerate(
            zip(stages, exit_criteria(bundle.manifest, ratio), strict=True)
        )
    )


def backend_document(backend: Backend) -> Mapping[str, str]:
    """Return a backend as `run --json` names it."""
    info = backend.info
    return {
        "name": info.backend,
        "version": info.version,
        "resolver": info.resolver,
        "arch": info.arch,
    }
