"""What a policy is made from: the user's settings, and what the bundle and the board say."""

from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from copy import copy
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self, TypedDict

from edge_infer.boards.contract import Board
from edge_infer.boards.cost_table import CostTable, OperatingPoint
from edge_infer.models_tflite.bundle import Bundle
from edge_infer.models_tflite.manifest import FULL_RATIO, Manifest
from edge_infer.runtime.arrivals import Arrivals, BackToBack, typical_gaps_ns
from edge_infer.runtime.errors import PolicyError
from edge_infer.runtime.stage_costs import all_works, row_name, switch_work

if TYPE_CHECKING:
    from edge_infer.runtime.energy_budget import EnergyBudget
    from edge_infer.runtime.exit_chain import ExitChain
    from edge_infer.runtime.governors.planned import BinOf
    from edge_infer.runtime.planning.problem import ExitDistribution, PlanProblem
    from edge_infer.runtime.policies.joint_policy import RatioContext
    from edge_infer.runtime.policies.policy import Need
    from edge_infer.runtime.predictor import ExitPredictor

NO_DEADLINE_NS = 3_600_000_000_000
"""An hour stands for no deadline."""
PLAN_OVERHEADS = 1.3
"""What a prediction and a plan cost, in units of the first stage's decision and runtime overhead:
5.7 us p50 (edge-infer bench) against 4.3 us on the development host; Python both, so the ratio
carries over."""


@dataclass(frozen=True)
class PolicySettings:
    """What the user says to a policy. Each makes use of some of it; see `Policy.uses`."""

    deadline_ns: int | None = None
    """From arrival to the due answer; None for none."""
    arrivals: Arrivals = field(default_factory=BackToBack)
    """When frames are expected."""
    miss_bound: float = 0.01
    """Share of frames that may miss their deadline: 0 to 1."""
    target_ns: int | None = None
    """Time of an answer, from take-up, that `stable-latency` keeps to."""
    loss_points: float = 1.0
    """Mean accuracy that pruning ratios and leaving early may lose, in percentage points."""
    budget_uw: int | None = None
    """Mean power of the whole board to keep to."""
    cost_table: CostTable | None = None
    """One that was measured, instead of the board's own."""


class PolicyOptions(TypedDict, total=False):
    """The fields of `PolicySettings` as keywords of `Engine`."""

    deadline_ns: int | None
    arrivals: Arrivals
    miss_bound: float
    target_ns: int | None
    loss_points: float
    budget_uw: int | None
    cost_table: CostTable | None


class PolicyContext:
    """What policies may know of bundle, board and workload, found out when it is asked for.

    Args:
        bundle: an open bundle.
        board: an open board; None where a cost table in the settings is all that is known.
        settings: what the user says.
        threads: interpreter threads; a planner may choose fewer, by powers of two.
        ratio: pruning ratio that the run keeps to, where the policy chooses none.
    """

    plan_overheads = PLAN_OVERHEADS
    queue_limit = 4
    """Frames that may wait, as the event loop has it."""
    feedback = True
    """Planners learn from finished inferences."""
    ratio = FULL_RATIO
    bin_of: "BinOf | None" = None
    """Instead of asking the predictor, where its answers are known already."""

    def __init__(
        self,
        bundle: Bundle,
        board: Board | None,
        settings: PolicySettings = PolicySettings(),
        threads: int = 1,
        ratio: str = FULL_RATIO,
    ) -> None:
        self.manifest: Manifest = bundle.manifest
        self.settings = settings
        self.threads = threads
        self.ratio = ratio
        self._bundle = bundle
        self._board = board

    def require(self, need: "Need", policy: str) -> None:
        """Refuse a policy whose need is not met here.

        Raises:
            PolicyError: says what is missing and what to do.
        """
        manifest, settings = self.manifest, self.settings
        if need == "target" and settings.target_ns is None:
            raise PolicyError(f"the policy {policy} needs a target: --target 20ms")
        if need == "deadline" and settings.deadline_ns is None:
            raise PolicyError(f"the policy {policy} needs a deadline: --deadline 20ms")
        if need == "ratios" and manifest.prunable is None:
            raise PolicyError(
                f"the policy {policy} needs a prunable bundle, whose ratios it chooses; "
                f"{manifest.name} has no ratios to choose from: it is not prunable"
            )
        if need == "ratio losses" and not self.ratios:  # which says what the bundle does not tell
            raise PolicyError(f"{manifest.name} has no ratios to choose from")
        if need == "cost table" and self.found_table is None:
            raise PolicyError(
                f"the policy {policy} needs a cost table and {self._board_name} has none: fill one "
                f"with edge-infer measure {manifest.name} --board {self._board_name}"
            )
        if need == "leaving losses" and len(manifest.stages) > 1:
            self._require_leaving(policy)
        if need in ("predictor", "exit shares") and len(manifest.stages) > 1 and not self.predictor:
            raise PolicyError(
                f"{manifest.name} carries no exit predictor: add one with edge-infer tune"
            )

    def _require_leaving(self, policy: str) -> None:
        if self.ratio != FULL_RATIO:
            raise PolicyError(
                f"the policy {policy} knows what leaving early costs at ratio {FULL_RATIO} alone, "
                f"not at {self.ratio}: leave --ratio out, or take the policy planned"
            )
        if self.chain is None:
            raise PolicyError(
                f"{self.manifest.name} does not say what leaving early costs: edge-infer tune "
                "counts it"
            )

    @property
    def _board_name(self) -> str:
        return "this board" if self._board is None else self._board.name

    @cached_property
    def clocks_khz(self) -> tuple[int, ...]:
        """The board's clocks, ascending."""
        if self._board is None:
            return tuple(sorted({point.clock_khz for point in self.table.points}))
        return tuple(self._board.clock.supported_khz())

    def offers(self, point: OperatingPoint) -> bool:
        """Return True for a point that may be chosen."""
        return point.clock_khz in self.clocks_khz and point.threads >= 1

    @property
    def offered(self) -> str:
        """What may be chosen, in words."""
        return "give 1 thread or more"

    @cached_property
    def found_table(self) -> CostTable | None:
        """The cost of every stage at every ratio and of a change of ratio; None if unknown."""
        if self.settings.cost_table is not None or self._board is None:
            return self.settings.cost_table
        works = [*all_works(self._bundle), switch_work(self.manifest, FULL_RATIO)]
        return self._board.cost_table(works)

    @property
    def table(self) -> CostTable:
        """The cost table, once it is known that there is one."""
        table = self.found_table
        assert table is not None  # a policy that plans states the need
        return table

    @cached_property
    def stages(self) -> tuple[str, ...]:
        """Names of the stages at full width, in order: their rows in the cost table."""
        return tuple(row_name(stage.name, FULL_RATIO) for stage in self.manifest.stages)

    @cached_property
    def points(self) -> tuple[OperatingPoint, ...]:
        """What planners may choose. Raises PolicyError where nothing is left to choose."""
        counts = {2**n for n in range(self.threads.bit_length())}
        points = tuple(point for point in self.table.points if point.threads in counts)
        if not points:
            raise PolicyError(
                f"the cost table of {self.table.board} has no operating point of {self.threads} "
                "threads or fewer: fill one with edge-infer measure --threads, or give a run more "
                "--threads"
            )
        return points

    @property
    def single_points(self) -> tuple[OperatingPoint, ...]:
        """One point a clock, with the fewest threads."""
        clocks = sorted({point.clock_khz for point in self.points})
        return tuple(min(p for p in self.points if p.clock_khz == khz) for khz in clocks)

    @property
    def deadline_ns(self) -> int:
        """From arrival to the due answer, to plan with."""
        return self.settings.deadline_ns or NO_DEADLINE_NS

    @cached_property
    def gaps_ns(self) -> tuple[int, ...]:
        """Equally likely gaps between arrivals; none for back to back."""
        return typical_gaps_ns(self.settings.arrivals)

    @cached_property
    def predictor(self) -> "ExitPredictor | None":
        """The exit predictor that the bundle carries."""
        from edge_infer.runtime.predictor import carried_predictor

        return carried_predictor(self.manifest)

    @cached_property
    def chain(self) -> "ExitChain | None":
        """What leaving costs where the thresholds say stay, as the bundle carries it."""
        from edge_infer.runtime.exit_chain import carried_chain

        return carried_chain(self.manifest)

    @cached_property
    def exit_shares(self) -> tuple[float, ...]:
        """Share of held-back inputs that leave at each exit, as the predictor counted them."""
        from edge_infer.runtime.planning.problem import exit_shares_of

        if len(self.stages) == 1 or self.predictor is None:
            return (*[0.0] * (len(self.stages) - 1), 1.0)
        return exit_shares_of(self.predictor)

    @cached_property
    def ratios(self) -> "tuple[RatioContext, ...]":
        """What a joint policy may choose, the full width first.

        Raises:
            PolicyError: the bundle does not say how accurate its ratios are.
        """
        from edge_infer.runtime.policies.joint_policy import ratio_contexts

        return ratio_contexts(self.manifest)

    @property
    def ratio_switch(self) -> str:
        """Name of the cost table's row for a change of ratio."""
        return switch_work(self.manifest, FULL_RATIO).name

    def budget(self) -> "EnergyBudget | None":
        """Return an energy budget for one run. Raises BudgetError below the floor."""
        from edge_infer.runtime.energy_budget import EnergyBudget

        if self.settings.budget_uw is None:
            return None
        return EnergyBudget.of(self.manifest, self.table, self.settings.budget_uw)

    @cached_property
    def executor(self) -> Executor | None:
        """Where planners solve anew; None for at once, which costs a simulated board no time."""
        real = self._board is not None and not self._board.simulated
        return ThreadPoolExecutor(1, "planner") if real else None

    def problem(
        self,
        distribution: "ExitDistribution",
        plan_overheads: float = 0.0,
        stages: Sequence[str] | None = None,
    ) -> "PlanProblem":
        """Return the planning problem for exits; of other rows than `self.stages` if given."""
        from edge_infer.runtime.planning.problem import plan_problem

        return plan_problem(
            self.table, stages or self.stages, self.points, distribution, self.deadline_ns,
            self.gaps_ns, plan_overheads, self.queue_limit,
        )  # fmt: skip

    def altered(self, **values: Any) -> Self:
        """Return a context in which some attributes have other values."""
        other = copy(self)
        other.__dict__.update(values)
        return other
