"""The engine of this board: one frame in, one record out.

The hot path is `infer`. Everything it needs is bound once in the constructor: per stage the
interpreter's call, the exit criterion, the work for a simulated board. Early exit and little/big
are the same loop: a stage reads the features of the stage before it, or the frame again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from edge_infer.boards.closing import Closing
from edge_infer.boards.contract import Board
from edge_infer.boards.errors import ClockError
from edge_infer.boards.operating_point import OperatingPoint
from edge_infer.boards.timebase import Timebase
from edge_infer.models_tflite.backend import Backend, open_backend
from edge_infer.models_tflite.bundle import Bundle
from edge_infer.models_tflite.manifest import FULL_RATIO
from edge_infer.models_tflite.stage import LoadedStage
from edge_infer.runtime.accounting.account import EnergyTotals
from edge_infer.runtime.accounting.choice import idle_reference, open_account
from edge_infer.runtime.errors import RunError
from edge_infer.runtime.governor import Governor, open_governor
from edge_infer.runtime.records import ExitDecision, Frame, InferenceRecord, StageResult
from edge_infer.runtime.stage_work import all_works, switch_work
from edge_infer.runtime.steps import LoadedRatio, RatioLoader


class Engine(Closing):
    """Runs a bundle on a board. A context manager; the board stays open when it closes.

    Args:
        bundle: an open, verified bundle.
        board: an open board.
        policy: name of a governor's policy, see `edge_infer.runtime.governor`.
        backend: interpreter backend; the platform's default if None.
        threads: interpreter threads.
        ratio: pruning ratio, as the manifest names it.
        governor: a governor of your own, instead of `policy`. It may offer `thread_counts` (the
            interpreters are loaded for each of them), `leaves(stage, decision)` to leave although
            the exit criterion says stay, and `ratio_at(point)`, the ratio of a frame that begins
            at that point.

    Raises:
        PolicyError: the policy is unknown or asks for a clock that is not offered.
        BundleError: a stage cannot be loaded, or the bundle has no such ratio.
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
        self.bundle = bundle
        self.board = board
        self.backend = backend or open_backend()
        self.governor = governor or open_governor(policy, board.clock.supported_khz(), threads)
        counts = getattr(self.governor, "thread_counts", (threads,))
        self._loader = RatioLoader(bundle, self.backend, counts)
        self._use(self._loader.load(ratio))
        self.ratio_switches = 0
        self.refused_ratios: dict[str, str] = {}
        """Ratios that the governor asked for and that could not be loaded, with the reason."""
        self.refused_clocks: dict[int, str] = {}
        """Clocks in kHz that could not be set any more in mid-run, with the last reason."""
        self._leaves = getattr(self.governor, "leaves", None)
        self._ratio_at: Callable[[OperatingPoint], str] | None
        self._ratio_at = getattr(self.governor, "ratio_at", None)
        self.works = all_works(bundle)
        self.cost_table = board.cost_table(self.works)
        self.residency_ns: dict[int, int] = {}
        self.switches = 0
        self._now_ns = board.timebase.now_ns
        self._spend = board.spend
        self._closed = False
        if board.meter is not None:
            board.meter.start()
        idle = idle_reference(board)
        self._asked: OperatingPoint | None = None
        self._in_force = OperatingPoint(board.clock.current_khz(), counts[0])
        self._since_ns = self._now_ns()
        point = self.governor.idle_point()
        if point is not None:
            self._go(point)
        self.start_ns = self._now_ns()
        self._account = open_account(
            board, idle, self.cost_table, self.exit_names, self.start_ns, self._in_force.clock_khz
        )

    @property
    def timebase(self) -> Timebase:
        """The board's time: frames arrive in it."""
        return self.board.timebase

    @property
    def exit_names(self) -> tuple[str, ...]:
        """Names of the stages, in order: an inference leaves at one of them."""
        return tuple(stage.name for stage in self.bundle.manifest.stages)

    @property
    def ratio(self) -> str:
        """The pruning ratio in force."""
        return self._loaded.ratio

    @property
    def stages(self) -> list[LoadedStage]:
        """The stages in force, with the first of the thread counts."""
        return self._loaded.stages

    def set_ratio(self, ratio: str) -> None:
        """Run at another ratio from the next frame on; not while a frame is in the engine.

        Raises:
            UnknownRatioError: the bundle has no such ratio.
            RunError: there is no room for it, or a file was replaced; it goes on at the old one.
        """
        if ratio != self._loaded.ratio:
            self._use(self._loader.exchange(ratio, self._loaded))
            self.ratio_switches += 1
            self._spend(switch_work(self.bundle.manifest, ratio), self._in_force)

    def infer(self, frame: Frame, backlog: int = 0) -> InferenceRecord:
        """Answer one frame.

        Args:
            frame: data in the shape and dtype the manifest's first stage takes.
            backlog: frames that wait behind this one.

        Returns:
            The record; its energy is filled once `settle` or `finish` has returned it.

        Raises:
            FrameError: the data has another shape or dtype.
            ClockError: the governor's first clock cannot be set. Later ones that cannot are noted
                in `refused_clocks`; it goes on at the clock in force, which the record says.
        """
        now_ns = self._now_ns
        governor = self.governor
        start_ns = now_ns()
        switches = self.switches
        starts: list[int] = []
        ends: list[int] = []
        points: list[OperatingPoint] = []
        inputs: Sequence[NDArray[Any]] = ()
        invoke_ns = 0
        spend = self._spend
        point = governor.first_point(frame, start_ns, backlog)
        if self._ratio_at is not None:
            self._follow_clock(point)
        for reset in self._resets:
            reset()
        steps_of, leaves = self._steps_of, self._leaves
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
            self._loaded.ratio,
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

    def _go(self, point: OperatingPoint) -> None:
        """Change the operating point; note the one that the board really took."""
        before = self._in_force
        if self._asked is not None and point.clock_khz == self._asked.clock_khz:
            khz = before.clock_khz  # other threads: the clock needs no asking
        else:
            khz = self._set_khz(point.clock_khz)
            self._stay(self._now_ns())
        self._asked = point
        self._in_force = point if khz == point.clock_khz else replace(point, clock_khz=khz)
        if khz != before.clock_khz:
            self.switches += 1

    def _set_khz(self, khz: int) -> int:
        """Set the clock; where that fails in mid-run, the run goes on at the clock in force."""
        try:
            return self.board.clock.set_khz(khz)
        except ClockError as error:
            if self._asked is None:  # the first one: better to say so than to run otherwise
                raise
            self.refused_clocks[khz] = str(error)
            return self._in_force.clock_khz

    def _use(self, loaded: LoadedRatio) -> None:
        self._loaded = loaded
        self._steps_of, self._resets = loaded.steps, loaded.resets
        self._steps = next(iter(loaded.steps.values()))

    def _follow_clock(self, point: OperatingPoint) -> None:
        """Set the point of a frame's first stage, then the ratio for the one really taken."""
        if point is not self._asked:
            self._go(point)
        assert self._ratio_at is not None
        ratio = self._ratio_at(self._in_force)
        if ratio not in self.refused_ratios:
            try:
                self.set_ratio(ratio)
            except RunError as error:
                self.refused_ratios[ratio] = str(error)

    def _stay(self, now_ns: int) -> None:
        khz = self._in_force.clock_khz
        self.residency_ns[khz] = self.residency_ns.get(khz, 0) + now_ns - self._since_ns
        self._since_ns = now_ns


def backend_document(backend: Backend) -> Mapping[str, str]:
    """Return a backend as `run --json` names it."""
    info = backend.info
    return {
        "name": info.backend,
        "version": info.version,
        "resolver": info.resolver,
        "arch": info.arch,
    }
