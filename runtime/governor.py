"""The governor: which operating point each stage of each frame runs at.

The contract is what a planner needs (the frame with its deadline, what the exit said, the
backlog, the finished records); the fixed governors here use none of it.
"""

from collections.abc import Sequence
from typing import Protocol

from edge_infer.boards.operating_point import OperatingPoint
from edge_infer.runtime.errors import PolicyError
from edge_infer.runtime.records import ExitDecision, Frame, InferenceRecord, StageResult

POLICIES = ("performance", "powersave", "fixed:<MHz>")


class Governor(Protocol):
    """Chooses operating points; told of everything it may learn from."""

    name: str
    """The policy as the user wrote it."""

    def first_point(self, frame: Frame, now_ns: int, backlog: int) -> OperatingPoint:
        """Return the point for the first stage; `backlog` frames wait behind this one."""
        ...

    def next_point(
        self, frame: Frame, result: StageResult, decision: ExitDecision
    ) -> OperatingPoint:
        """Return the point for the next stage after an exit was not taken."""
        ...

    def idle_point(self) -> OperatingPoint | None:
        """Return the point to wait for the next frame at, or None to stay as it is."""
        ...

    def learn(self, record: InferenceRecord) -> None:
        """Take note of a finished inference."""
        ...


class FixedGovernor:
    """Every stage of every frame at one operating point."""

    def __init__(self, name: str, point: OperatingPoint) -> None:
        self.name = name
        self.point = point

    def first_point(self, frame: Frame, now_ns: int, backlog: int) -> OperatingPoint:
        """Return the one point."""
        return self.point

    def next_point(
        self, frame: Frame, result: StageResult, decision: ExitDecision
    ) -> OperatingPoint:
        """Return the one point."""
        return self.point

    def idle_point(self) -> OperatingPoint | None:
        """Return the one point: it is set before the first frame."""
        return self.point

    def learn(self, record: InferenceRecord) -> None:
        """Nothing to learn."""


def open_governor(policy: str, supported_khz: Sequence[int], threads: int = 1) -> Governor:
    """Return the governor of a policy's name.

    Args:
        policy: "performance" (highest clock), "powersave" (lowest) or "fixed:<MHz>".
        supported_khz: the board's clocks in kHz, ascending.
        threads: interpreter threads of every point.

    Raises:
        PolicyError: the policy is unknown, or its clock is not offered.
    """
    if policy == "performance":
        khz = supported_khz[-1]
    elif policy == "powersave":
        khz = supported_khz[0]
    elif policy.startswith("fixed:"):
        khz = _fixed_khz(policy, supported_khz)
    else:
        raise PolicyError(f"unknown policy {policy!r}; there are: {', '.join(POLICIES)}")
    return FixedGovernor(policy, OperatingPoint(khz, threads))


def _fixed_khz(policy: str, supported_khz: Sequence[int]) -> int:
    offered = ", ".join(f"{khz / 1000:g}" for khz in supported_khz)
    try:
        khz = round(float(policy.removeprefix("fixed:")) * 1000)
    except (ValueError, OverflowError):
        raise PolicyError(
            f"policy {policy!r} names no clock; write fixed:<MHz> with one of: {offered}"
        ) from None
    if khz not in supported_khz:
        raise PolicyError(
            f"a clock of {khz / 1000:g} MHz is not offered by this board; there are: {offered} MHz"
        )
    return khz
