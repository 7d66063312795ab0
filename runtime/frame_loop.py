"""The way of one frame through the stages: what the engine and the laboratory's replay share.

The engine lets interpreters run and a board's time pass; a replay looks scores up and adds table
times. Which point, which ratio, which exit, what is noted: that is decided here for both.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from edge_infer.boards.cost_table import OperatingPoint
from edge_infer.models_tflite.manifest import FULL_RATIO
from edge_infer.runtime.governors.governor import Governor
from edge_infer.runtime.records import ExitDecision, Frame, InferenceRecord, StageResult


class FrameLoop(ABC):
    """Takes frames through the stages, one after the other, under a governor.

    Early exit and little/big are the same loop: a stage reads the features of the stage before it,
    or the frame again.

    Args:
        governor: chooses point, ratio and, if it may, exits.
        in_force: the operating point at the start.
        now_ns: gives the time.
    """

    def __init__(
        self, governor: Governor, in_force: OperatingPoint, now_ns: Callable[[], int]
    ) -> None:
        self.governor = governor
        self.now_ns = now_ns
        self.switches = 0
        """Changes of the clock so far."""
        self.ratio_switches = 0
        self.residency_ns: dict[int, int] = {}
        """Time at each clock in kHz, up to the last change."""
        self.ratio = FULL_RATIO
        """The pruning ratio in force."""
        self._asked: OperatingPoint | None = None
        self._in_force = in_force
        self._invoke_ns = 0
        self._since_ns = now_ns()

    @property
    def asked_khz(self) -> int:
        """The clock in kHz that the governor asked for last; 0 where it leaves the clock alone."""
        return 0 if self._asked is None else self._asked.clock_khz

    @abstractmethod
    def _run_stage(self, index: int, frame: Frame, begin_ns: int) -> ExitDecision:
        """Run a stage at the point in force from now on, let its time pass, judge its scores."""

    @abstractmethod
    def _scores(self, index: int, frame: Frame) -> NDArray[Any]:
        """Return the raw scores of the stage that ran last, shape [classes]."""

    @abstractmethod
    def _set_khz(self, khz: int) -> int:
        """Ask for another clock, let the time of the change pass, return the clock it became."""

    @abstractmethod
    def _set_ratio(self, ratio: str) -> None:
        """Change the pruning ratio, or note why it cannot be changed."""

    def _predicted(self) -> None:
        """Let the time of a prediction pass, where it does not pass by itself."""
        return

    def _pass(self, frame: Frame, backlog: int) -> InferenceRecord:
        """Take one frame through the stages.

        Args:
            frame: data in the shape and dtype that the first stage takes.
            backlog: frames that wait behind this one.
        """
        governor, now_ns, run_stage = self.governor, self.now_ns, self._run_stage
        starts: list[int] = []
        ends: list[int] = []
        points: list[OperatingPoint] = []
        asks, may_leave = governor.asks_between_stages, governor.may_leave
        self._invoke_ns = 0
        switches, index = self.switches, 0
        start_ns = now_ns()
        point = governor.first_point(frame, start_ns, backlog)
        if governor.chooses_ratio:
            self._follow_clock(point)
        while True:
            if point is not self._asked:
                self._go(point)
            begin_ns = now_ns()
            starts.append(begin_ns)
            points.append(self._in_force)
            decision = run_stage(index, frame, begin_ns)
            end_ns = now_ns()
            ends.append(end_ns)
            if decision.leave:
                break
            if asks or may_leave:
                result = StageResult(index, self._scores(index, frame), end_ns)
                if may_leave and governor.leaves(frame, result, decision):
                    break
            if asks:
                if governor.predicts and index == 0:
                    self._predicted()
                point = governor.next_point(frame, result, decision)
            index += 1
        return InferenceRecord(
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
            self._invoke_ns,
            frame.label,
            frame.deadline_ns,
            self.ratio,
        )

    def _follow_clock(self, point: OperatingPoint) -> None:
        """Set the point of a frame's first stage, then the ratio for the one really taken."""
        if point is not self._asked:
            self._go(point)
        ratio = self.governor.ratio_at(self._in_force)
        if ratio != self.ratio:
            self._set_ratio(ratio)

    def _go(self, point: OperatingPoint) -> None:
        """Change the operating point; note the one that was really taken."""
        before = self._in_force
        if self._asked is not None and point.clock_khz == self._asked.clock_khz:
            khz = before.clock_khz  # other threads: the clock needs no asking
        else:
            khz = self._set_khz(point.clock_khz)
            self._stay()
        self._asked = point
        self._in_force = point if khz == point.clock_khz else replace(point, clock_khz=khz)
        if khz != before.clock_khz:
            self.switches += 1

    def _stay(self) -> None:
        """Count the time at the clock in force up to now."""
        now_ns, khz = self.now_ns(), self._in_force.clock_khz
        self.residency_ns[khz] = self.residency_ns.get(khz, 0) + now_ns - self._since_ns
        self._since_ns = now_ns

    def _rest(self) -> bool:
        """Go to the point that the governor waits at; return True if that is another one."""
        point = self.governor.idle_point()
        if point is None or point is self._asked:
            return False
        self._go(point)
        return True
