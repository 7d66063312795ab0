"""What policies may know of the board, the workload and what was fitted."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

from edge_infer.boards.cost_table import CostTable
from edge_infer.boards.operating_point import OperatingPoint
from edge_infer.runtime.energy_budget import EnergyBudget
from edge_infer.runtime.governors.planned import BinOf
from edge_infer.runtime.planning.problem import Beliefs, PlanProblem, plan_problem
from edge_infer.runtime.policies.ratio_context import RatioContext
from edge_infer.runtime.prediction.predictor import ExitPredictor
from edge_infer.runtime.prediction.zero_pad import ZeroPadPredictor
from edge_infer.runtime.records import Frame

PLAN_OVERHEADS = 1.3
"""What a prediction and a plan cost, in units of the first stage's decision and runtime overhead:
5.7 us p50 (edge-infer bench) against 4.3 us on the development host; Python both, so the ratio
carries over."""


@dataclass(frozen=True)
class PolicyContext:
    """What policies may know: the board's cost table, the workload, and what was fitted."""

    table: CostTable
    stages: tuple[str, ...]
    points: tuple[OperatingPoint, ...]
    """What planners may choose; the kernel's governors use those with the fewest threads."""
    deadline_ns: int
    gaps_ns: tuple[int, ...]
    """Equally likely gaps between arrivals; none for back to back."""
    miss_bound: float
    exit_shares: tuple[float, ...]
    """Share of held-back inputs that leave at each exit."""
    predictor: ExitPredictor | None = None
    zero_pad: ZeroPadPredictor | None = None
    bin_of: BinOf | None = None
    """Instead of asking the predictor, where its answers are known already."""
    zero_pad_bin_of: BinOf | None = None
    exit_of: Callable[[Frame], int] | None = None
    """The true exit of a frame: known in a replay alone."""
    arrivals_ns: Sequence[int] | None = None
    """Of every frame that will come: what the limits know of a random workload."""
    plan_overheads: float = PLAN_OVERHEADS
    queue_limit: int = 4
    """Frames that may wait, as the event loop has it."""
    calibrate: bool = True
    budget: Callable[[], EnergyBudget] | None = None
    """Makes the energy budget that the planner's governor keeps; each run needs its own."""
    ratios: tuple[RatioContext, ...] = ()
    """What a joint policy may choose, the full width first."""
    ratio_switch: str = ""
    """Name of the cost table's row for a change of ratio."""
    loss_points: float = 1.0
    """Mean accuracy that ratios may lose, in percentage points."""
    executor: Executor | None = None
    """Where the planner's governor solves anew; at once if None."""

    def problem(self, beliefs: Beliefs, plan_overheads: float = 0.0) -> PlanProblem:
        """Return the planning problem under beliefs."""
        return plan_problem(
            self.table, self.stages, self.points, beliefs, self.deadline_ns, self.gaps_ns,
            plan_overheads, self.queue_limit,
        )  # fmt: skip

    @property
    def single_points(self) -> tuple[OperatingPoint, ...]:
        """One point a clock, with the fewest threads."""
        clocks = sorted({point.clock_khz for point in self.points})
        return tuple(min(p for p in self.points if p.clock_khz == khz) for khz in clocks)
