"""The engine of this board: one frame in, one record out.

The way of a frame is `FrameLoop`'s; here the interpreters run, the board's time passes and energy
is accounted for. Everything that the hot path needs is bound once in the constructor.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from typing import Any, Unpack

from numpy.typing import NDArray

from edge_infer.boards.closing import Closing
from edge_infer.boards.contract import Board
from edge_infer.boards.cost_table import OperatingPoint
from edge_infer.boards.errors import ClockError
from edge_infer.boards.timebase import Timebase
from edge_infer.models_tflite.backend import Backend, open_backend
from edge_infer.models_tflite.bundle import Bundle
from edge_infer.models_tflite.manifest import FULL_RATIO
from edge_infer.models_tflite.stage import LoadedStage
from edge_infer.runtime.accounting.account import EnergyTotals
from edge_infer.runtime.accounting.open_account import idle_reference, open_account
from edge_infer.runtime.engine_contracts import Marker, check_array, check_opened
from edge_infer.runtime.errors import PolicyError, RunError
from edge_infer.runtime.frame_loop import FrameLoop
from edge_infer.runtime.frames.source import RawFrame
from edge_infer.runtime.governors.governor import Governor
from edge_infer.runtime.policies.context import PolicyContext, PolicyOptions, PolicySettings
from edge_infer.runtime.policies.policy import open_policy, refuse_unused
from edge_infer.runtime.ratio_loader import LoadedRatio, RatioLoader, Step, warm_up
from edge_infer.runtime.records import ExitDecision, Frame, InferenceRecord
from edge_infer.runtime.stage_costs import all_works

_log = logging.getLogger(__name__)

DRAIN_EVERY = 256
"""Frames that `stream` answers between two looks at the meter."""


class Engine(FrameLoop, Closing):
    """Runs a bundle on a board. A context manager; the board stays open when it closes.

    Args:
        bundle: an open, verified bundle.
        board: an open board.
        policy: how clocks, and perhaps ratios, are chosen: a policy's name as `edge-infer run`
            takes it, or a governor of your own.
        backend: interpreter backend; the platform's default if None.
        threads: interpreter threads; a planner may choose fewer.
        ratio: pruning ratio, as the manifest names it.
        keeps_scores: records carry the raw scores that their answer was taken from.
        warmup: inferences before the first: they count nowhere.
        marker: a line that is high from before an inference to after it; raising and lowering it
            lies outside the record's times.
        **options: for the policy, as `deadline_ns=20_000_000`: the fields of `PolicySettings`.

    Raises:
        PolicyError: the policy is unknown, misses something, or makes no use of an option.
        BundleError: a stage cannot be loaded, or the bundle has no such ratio.
        BoardError: the meter does not answer, or the clock cannot be set.
        TypeError: bundle or board is something else, such as a name.
    """

    _ran: Step
    """The stage that ran last, whose features the next one reads."""

    def __init__(
        self,
        bundle: Bundle,
        board: Board,
        *,
        policy: str | Governor = "performance",
        backend: Backend | None = None,
        threads: int = 1,
        ratio: str = FULL_RATIO,
        keeps_scores: bool = False,
        marker: Marker | None = None,
        warmup: int = 0,
        **options: Unpack[PolicyOptions],
    ) -> None:
        check_opened(bundle, board)
        self.bundle, self.board = bundle, board
        self.backend = backend or open_backend()
        self.settings = PolicySettings(**options)
        if isinstance(policy, str):
            refuse_unused(policy, options)
            context = PolicyContext(bundle, board, self.settings, threads, ratio)
            policy = open_policy(policy, context)
        counts = policy.thread_counts
        point = OperatingPoint(board.clock.current_khz(), counts[0])
        super().__init__(policy, point, board.timebase.now_ns)
        self.refused_clocks: dict[int, str] = {}
        """Clocks in kHz that could not be set any more in mid-run, with the last reason."""
        self.refused_ratios: dict[str, str] = {}
        """Ratios that the governor asked for and that could not be loaded, with the reason."""
        self._loader = RatioLoader(bundle, self.backend, counts)
        self._use(self._loader.load(ratio))
        warm_up(self.stages, bundle, warmup)
        self.cost_table = board.cost_table(all_works(bundle))
        self._labels = bundle.manifest.labels
        self._keeps_scores, self._marker = keeps_scores, marker
        self._take = self._marked if marker else self._pass
        self._spend = board.spend if board.simulated else None
        self._numbers = count()
        self._ended = ""
        if board.meter is not None:
            board.meter.start()
        idle = idle_reference(board)
        self._in_force = OperatingPoint(board.clock.current_khz(), counts[0])
        self._since_ns = self.now_ns()
        self._rest()
        begin = self.now_ns(), self._in_force.clock_khz
        self._account = open_account(board, idle, self.cost_table, self.exit_names, *begin)

    @property
    def timebase(self) -> Timebase:
        """The board's time: frames arrive in it."""
        return self.board.timebase

    @property
    def exit_names(self) -> tuple[str, ...]:
        """Names of the stages, in order: an inference leaves at one of them."""
        return tuple(stage.name for stage in self.bundle.manifest.stages)

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
            self.board.spend(self._loader.change_to(ratio), self._in_force)

    def infer(self, frame: Frame | RawFrame | NDArray[Any], backlog: int = 0) -> InferenceRecord:
        """Answer one frame.

        Args:
            frame: a frame, one of a source, or data alone: in the shape and dtype that the
                manifest's first stage takes. The last two arrive now, and are due by the
                `deadline_ns` of the engine.
            backlog: frames that wait behind this one.

        Returns:
            The record; its energy is filled once `drain`, `stream` or `finish` has returned it.

        Raises:
            FrameError: the data has another shape or dtype, or is no array.
            RunError: the engine is closed, or its run was finished.
            ClockError: the governor's first clock cannot be set. Later ones that cannot are noted
                in `refused_clocks`; it goes on at the clock in force, which the record says.
        """
        if self._ended:
            raise RunError(self._ended)
        frame = frame if isinstance(frame, Frame) else self._framed(frame)
        for reset in self._resets:
            reset()
        record = self._take(frame, backlog)
        record.answer_label = self._labels[record.answer]
        record.name = frame.name
        if self._keeps_scores:
            record.scores = self._last_scores
        self._account.add(record)
        self.governor.learn(record)
        return record

    def stream(
        self, frames: Iterable[Frame | RawFrame | NDArray[Any]]
    ) -> Iterator[InferenceRecord]:
        """Answer frames one after the other; yield each record once its energy is known.

        Memory does not grow with their number. The end of the frames ends the run as `finish` does;
        a caller that breaks off calls `finish` for what is still open.

        Raises:
            FrameError, RunError, ClockError: as `infer`.
            BusError: the meter failed for good.
        """
        for number, frame in enumerate(frames, 1):
            self.infer(frame)
            if number % DRAIN_EVERY == 0:
                yield from self.drain()
        yield from self.finish()

    def drain(self) -> Sequence[InferenceRecord]:
        """Return the records whose energy became known. Raises BusError if the meter failed."""
        now_ns = self.now_ns()
        # Nothing has run since the last record: so samples of a long wait are used up too.
        self._account.waited(now_ns, self._in_force.clock_khz)
        return self._account.drain(now_ns)

    def rest(self) -> None:
        """Go to the point that the governor waits at."""
        if self._rest():
            self._account.waited(self.now_ns(), self._in_force.clock_khz)

    def finish(self) -> Sequence[InferenceRecord]:
        """End the run and return the records still open."""
        self._stay()
        self._ended = self._ended or "the run of this engine was finished: open another engine"
        return self._account.close(self.now_ns())

    def energy(self) -> EnergyTotals | None:
        """Return the board's energy so far; None on a board without meter and cost table."""
        return self._account.totals()

    def close(self) -> None:
        """Stop the meter and put the clock back. May be called twice."""
        closed = "this engine is closed: open another one"
        if self._ended != closed:
            self._ended = closed
            if self.board.meter is not None:
                self.board.meter.stop()
            self.board.clock.reset()

    def _framed(self, given: RawFrame | NDArray[Any]) -> Frame:
        """Return data as a frame that arrives now."""
        raw = given if isinstance(given, RawFrame) else RawFrame(given)
        check_array(raw.data)
        return raw.arriving(next(self._numbers), self.now_ns(), self.settings.deadline_ns)

    def _marked(self, frame: Frame, backlog: int) -> InferenceRecord:
        """Take a frame through the stages while the marker is high."""
        assert self._marker is not None
        self._marker.set_high()
        try:
            return self._pass(frame, backlog)
        finally:
            self._marker.set_low()

    def _run_stage(self, index: int, frame: Frame, begin_ns: int) -> ExitDecision:
        step = self._steps[index]
        prepare, run, _, judge, work = step
        if prepare is None:
            inputs = self._ran.features()
        else:
            inputs = prepare(frame.data)
            begin_ns = self.now_ns()
        self._last_scores = scores = run(inputs)
        self._invoke_ns += self.now_ns() - begin_ns
        self._ran = step
        decision = judge(scores)
        if self._spend is not None:
            self._spend(work, self._in_force)
        return decision

    def _scores(self, index: int, frame: Frame) -> NDArray[Any]:
        return self._last_scores

    def _set_khz(self, khz: int) -> int:
        """Set the clock; where that fails in mid-run, the run goes on at the clock in force."""
        try:
            return self.board.clock.set_khz(khz)
        except ClockError as error:
            if self._asked is None:  # the first one: better to say so than to run otherwise
                raise
            self.refused_clocks[khz] = str(error)
            _log.info("clock refused: %s", error)
            return self._in_force.clock_khz

    def _set_ratio(self, ratio: str) -> None:
        """Change the ratio; one that cannot be loaded is not asked for again."""
        if ratio in self.refused_ratios:
            return
        try:
            self.set_ratio(ratio)
        except RunError as error:
            self.refused_ratios[ratio] = str(error)
            _log.info("ratio refused: %s", error)

    def _go(self, point: OperatingPoint) -> None:
        super()._go(point)
        self._load_threads()

    def _load_threads(self) -> None:
        """Take the interpreters of the threads in force."""
        threads = self._in_force.threads
        if threads not in self._steps_of:
            name, known = self.governor.name, ", ".join(map(str, self._steps_of))
            raise PolicyError(f"{name} asks for {threads} threads, its thread_counts are {known}")
        self._steps = self._steps_of[threads]

    def _use(self, loaded: LoadedRatio) -> None:
        self._loaded, self.ratio = loaded, loaded.ratio
        self._steps_of, self._resets = loaded.steps, loaded.resets
        self._load_threads()
        self._ran = self._steps[0]  # no interpreter of another ratio is held
