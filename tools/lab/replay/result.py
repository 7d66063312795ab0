"""What a policy came to in a replay."""

from array import array
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

FJ_PER_NJ = 1_000_000
"""uW times ns is fJ."""


@dataclass
class ReplayResult:
    """What a policy came to."""

    policy: str
    frames: int
    exits: list[int]
    correct: int | None
    dropped: int = 0
    late: int = 0
    """Answers after their deadline."""
    switches: int = 0
    ratio_switches: int = 0
    gross_fj: float = 0.0
    wall_ns: int = 0
    last_khz: int = 0
    """Clock in kHz at the end."""
    reference_uw: int = 0
    residency_ns: dict[int, int] = field(default_factory=dict)
    ratios: dict[str, int] = field(default_factory=dict)
    """Answered frames by pruning ratio."""
    latency_ns: "array[int]" = field(default_factory=lambda: array("q"))
    missed: "array[int]" = field(default_factory=lambda: array("b"))
    """By arrived frame: 1 if late or dropped."""

    @property
    def answered(self) -> int:
        """Frames that got an answer."""
        return len(self.latency_ns)

    @property
    def misses(self) -> int:
        """Late answers and dropped frames."""
        return self.late + self.dropped

    @property
    def miss_rate(self) -> float:
        """Misses a frame that arrived."""
        return self.misses / self.frames if self.frames else 0.0

    @property
    def gross_nj(self) -> float:
        """Board energy over the whole run, waits included."""
        return self.gross_fj / FJ_PER_NJ

    @property
    def net_nj(self) -> float:
        """Gross less the idle reference over the same wall time."""
        return self.gross_nj - self.reference_uw * self.wall_ns / FJ_PER_NJ

    @property
    def net_nj_per_inference(self) -> float:
        """Net energy by answered frame."""
        return self.net_nj / self.answered if self.answered else 0.0

    @property
    def latency_us(self) -> NDArray[np.float64]:
        """Arrival to answer, by answered frame."""
        return np.array(self.latency_ns, dtype=np.float64) / 1000


def pad_to(result: ReplayResult, wall_ns: int, idle_uw: int) -> None:
    """Let a finished run idle until `wall_ns`, so that all policies have the same wall time."""
    rest_ns = max(0, wall_ns - result.wall_ns)
    result.gross_fj += rest_ns * idle_uw
    result.wall_ns += rest_ns
