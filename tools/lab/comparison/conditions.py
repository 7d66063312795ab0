"""What is the same for every policy of a comparison."""

from dataclasses import dataclass
from typing import Literal

from edge_infer.boards.simulated.truth import IDEAL, Truth
from edge_infer.lab.replay.costs import Disturbance


@dataclass(frozen=True)
class Conditions:
    """Board, workload and bounds; the defaults are those of `edge-infer compare`."""

    board: str
    workload: str = "periodic"
    load: float | None = 0.6
    """Share of the classic net's capacity at the top clock on one thread; None with a rate."""
    rate_hz: float | None = None
    deadline_ns: int | None = None
    """From arrival to answer; `deadline_periods` mean gaps if None."""
    deadline_periods: float = 1.0
    frames: int = 20_000
    seed: int = 0
    miss_bound: float = 0.01
    threads: tuple[int, ...] = (1, 2, 4)
    """Interpreter threads that an operating point may have."""
    time_scale: float = 1.0
    """Factor on every stage's time, for a larger net of the same shape; synthetic if not 1."""
    late: Literal["run", "drop"] = "run"
    """What becomes of a frame that is past its deadline before it starts."""
    queue: int = 4
    """Frames that may wait; one more pushes the oldest out."""
    feedback: bool = True
    """Planners learn from finished inferences."""
    disturbances: tuple[Disturbance, ...] = ()
    """How the board leaves its cost table during the run."""
    truth: Truth = IDEAL
    """How it differs from its cost table from the beginning on, by `seed`."""
    strict: bool = False
    """Refuse a deadline that no operating point can keep, instead of a warning."""
    budget_uw: int | None = None
    """Mean power that the planner's governor keeps to."""
    loss_points: float = 1.0
    """Mean accuracy that pruning ratios may lose, for a policy that chooses them."""
    target_ns: int | None = None
    """Time of an answer that stable-latency keeps to; the deadline if None."""
