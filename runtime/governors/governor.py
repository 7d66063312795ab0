"""The governor: which operating point each stage of each frame runs at.

The contract is what a planner needs (the frame with its deadline, what the exit said, the backlog,
the finished records), with defaults for what most governors do not do.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from edge_infer.boards.cost_table import OperatingPoint
from edge_infer.runtime.records import ExitDecision, Frame, InferenceRecord, StageResult


class Governor(ABC):
    """Chooses operating points, and gets every finished record to learn from.

    A governor of your own is a subclass with `first_point` at least, given to
    `Engine(..., policy=...)`. The flags are read once, when an engine or a replay takes it up.
    """

    name: str = "own"
    """The policy as the user wrote it."""
    asks_between_stages: bool = True
    """False: every stage of a frame runs where its first one does; `next_point` is not called."""
    predicts: bool = False
    """True: `next_point` predicts the exit after the first stage, which costs time."""
    may_leave: bool = False
    """True: `leaves` is asked where the exit criterion says stay."""
    chooses_ratio: bool = False
    """True: `ratio_at` is asked for the pruning ratio of each frame."""

    @property
    def thread_counts(self) -> tuple[int, ...]:
        """Interpreter threads that points may ask for, ascending; each is loaded."""
        return (1,)

    @abstractmethod
    def first_point(self, frame: Frame, now_ns: int, backlog: int) -> OperatingPoint:
        """Return the point for the first stage; `backlog` frames wait behind this one."""

    def next_point(
        self, frame: Frame, result: StageResult, decision: ExitDecision
    ) -> OperatingPoint:
        """Return the point for the next stage after an exit was not taken."""
        raise NotImplementedError(f"{self.name} says nothing between stages")

    def idle_point(self) -> OperatingPoint | None:
        """Return the point to wait for the next frame at, or None to stay as it is."""
        return None

    def leaves(self, frame: Frame, result: StageResult, decision: ExitDecision) -> bool:
        """Return True to leave after a stage although its exit criterion says stay."""
        return False

    def ratio_at(self, point: OperatingPoint) -> str:
        """Return the pruning ratio of a frame that begins at a point really in force."""
        raise NotImplementedError(f"{self.name} chooses no ratio")

    def learn(self, record: InferenceRecord) -> None:
        """Take note of a finished inference."""
        return

    def state(self) -> Mapping[str, Any] | None:
        """Return what feedback has come to, for a report; None if there is none."""
        return None


class FixedGovernor(Governor):
    """Every stage of every frame at one operating point."""

    asks_between_stages = False

    def __init__(self, name: str, point: OperatingPoint) -> None:
        self.name = name
        self.point = point

    @property
    def thread_counts(self) -> tuple[int, ...]:
        """The threads of the one point."""
        return (self.point.threads,)

    def first_point(self, frame: Frame, now_ns: int, backlog: int) -> OperatingPoint:
        """Return the one point."""
        return self.point

    def idle_point(self) -> OperatingPoint | None:
        """Return the one point: it is set before the first frame."""
        return self.point
