"""The planner's governor with leaving as an action: answers before a threshold says so.

Where a plan says leave, the frame leaves if the account of accuracy has something left: every frame
pays in what the bound allows, and takes out what an answer at its exit is expected to lose against
the last exit, whether a threshold let it go or the plan. So the mean over a run stays at the bound
whatever the arrivals were.
"""

from dataclasses import dataclass, replace
from typing import Any

from edge_infer.boards.cost_table import OperatingPoint
from edge_infer.runtime.exit_chain import ExitChain
from edge_infer.runtime.governors.planned import PlannedGovernor
from edge_infer.runtime.planning.frame_sweep import LEAVES
from edge_infer.runtime.planning.plan import Plan
from edge_infer.runtime.records import ExitDecision, Frame, InferenceRecord, StageResult

MOST_FRAMES = 10_000
"""What is saved is no more than so many frames pay in: a quiet day does not pay for a bad one."""


BEGINS = 100
"""What so many frames pay in is saved before the plan begins that gives up more."""


def micro(points: float) -> int:
    """Return percentage points in millionths: whole numbers, as a microcontroller counts them."""
    return round(points * 1e6)


@dataclass
class LossAccount:
    """A token bucket of accuracy, in millionths of a percentage point of one frame."""

    pays_in: int
    """By each frame."""
    saved: int = 0
    """Below 0 a debt."""
    _gives: bool = False

    def add(self, lost: int) -> None:
        """Take a frame and what its answer is expected to lose."""
        self.saved = min(self.saved + self.pays_in - lost, MOST_FRAMES * self.pays_in)

    @property
    def allows(self) -> bool:
        """True while more may be lost than the thresholds lose."""
        return self.saved > 0

    @property
    def gives(self) -> bool:
        """True while the plan that gives up more than the bound is to run.

        From what `BEGINS` frames pay in until nothing is left: a change of plan costs switches.
        """
        self._gives = self.saved > (0 if self._gives else BEGINS * self.pays_in)
        return self._gives


def pays_in(plan: Plan, giving: Plan | None = None) -> int:
    """Return what each frame pays in: the bound, without the standard errors kept from it.

    Args:
        plan: keeps the bound by itself.
        giving: gives up more, in turn with it.
    """
    problem = plan.problem
    chain, bound = problem.distribution.chain, problem.loss_bound_points
    if chain is None or giving is None:
        return micro(max(bound - (plan.surest_loss_points - plan.loss_points), 0.0))
    points = plan.loss_points
    for _ in range(3):  # what is kept hardly depends on what is paid in
        share = (points - plan.loss_points) / (giving.loss_points - plan.loss_points)
        changed = plan.changed_share + share * (giving.changed_share - plan.changed_share)
        kept = chain.surest(points, changed, problem.loss_sureness) - points
        points = max(bound - kept, plan.loss_points)
    return micro(points)


class LeavingGovernor(PlannedGovernor):
    """Chooses each stage's operating point by a plan, and where to leave before the threshold.

    Args:
        as `PlannedGovernor`; the problem's distribution has an exit chain.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        self.account: LossAccount | None = None
        self._forced: int | None = None
        super().__init__(*args, **options)
        self.may_leave = True
        self._forced_losses = [[micro(own) for own in loss.points] for loss in self.chain.forced]
        self._tuned_losses = [micro(own) for own in self.chain.tuned.points]

    @property
    def chain(self) -> ExitChain:
        """What is known of the exits."""
        found = self.nominal.distribution.chain
        assert found is not None
        return found

    def adopt(self, plan: Plan) -> None:
        """Follow a plan; the first one says what frames pay in."""
        super().adopt(plan)
        # Solved anew, the price is where it was, and is raised at most: searching takes long.
        price_nj = self.plans.feasible.problem.loss_price_nj
        if price_nj != self.nominal.loss_price_nj:
            self.nominal = replace(self.nominal, loss_price_nj=price_nj)
        if self.account is None and self.choosing is None:
            self.account = LossAccount(pays_in(self.plans.feasible, self.plans.giving))

    def _due(self) -> Plan:
        """Return the plan whose turn it is; misses come before accuracy."""
        due = super()._due()
        giving = self.plans.giving
        if due is self.plans.feasible and giving is not None and self.account is not None:
            return giving if self.account.gives else due
        return due

    def leaves(self, frame: Frame, result: StageResult, decision: ExitDecision) -> bool:
        """Return True where the plan, or the energy budget, makes the frame leave now."""
        stage = result.stage
        self._bin = own = self.chain.bin_of(stage, decision.confidence)
        planned = self._later[stage][own][self._clock][self._age(frame, result.end_ns)]
        leaves = planned >= LEAVES and self.account is not None and self.account.allows
        if not leaves and self.budget is not None:
            leaves = self.budget.leaves(stage, decision)
        self._forced = self._forced_losses[stage][own] if leaves else None
        return leaves

    def next_point(
        self, frame: Frame, result: StageResult, decision: ExitDecision
    ) -> OperatingPoint:
        """Return the plan's point for the next stage, by the frame's bin and age."""
        table = self._later[result.stage][self._bin][self._clock]
        index = table[self._age(frame, result.end_ns)] % LEAVES
        self._clock = self._clock_of_point[index]
        point: OperatingPoint = self._points[index]
        self._asked.append(point)
        return point

    def learn(self, record: InferenceRecord) -> None:
        """Account for what the answer loses, then as `PlannedGovernor`."""
        if self.account is not None:
            tuned = self._tuned_losses[record.exit]
            self.account.add(tuned if self._forced is None else self._forced)
        self._forced = None
        super().learn(record)

    def state(self) -> dict[str, Any]:
        """Return what feedback has come to, and what is left to lose."""
        if self.account is None:
            return super().state()
        return {
            **super().state(),
            "planned_loss_points": round(self.plans.feasible.loss_points, 4),
            "loss_bound_points": self.account.pays_in / 1e6,
            "loss_saved_points": self.account.saved / 1e6,
        }
