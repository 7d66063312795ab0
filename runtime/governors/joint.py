"""The joint governor: at which pruning ratio each frame runs, then as the planner's governor.

The control effort of an energy budget lowers the price of the loss in steps, down to nothing: so
narrower ratios are chosen while thresholds sink. Two neighbouring steps draw different powers, so
the effort may swing between them: each step is kept for a while, and solved for once.
"""

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import replace

from edge_infer.boards.cost_table import OperatingPoint
from edge_infer.runtime.energy_budget import EnergyBudget
from edge_infer.runtime.governors.planned import BinOf, PlannedGovernor
from edge_infer.runtime.planning.plan import JointPlan, Plan, PlanLookup
from edge_infer.runtime.planning.problem import PlanProblem
from edge_infer.runtime.records import ExitDecision, Frame, InferenceRecord, StageResult

EASING_STEPS = 8
"""Steps of the price between no effort and full effort."""
EASING = 0.7
"""Part of the price that is left after a step; after the last one nothing is."""
STEP_NS = 1_000_000_000
"""Least time between changes of the step: the effort takes twice as long from end to end."""
HIGHEST_START = 2.0
"""Energies of a frame that a percentage point costs before the first step, at most: above it nearly
nothing is given up, so the steps would be lost there."""


class JointGovernor(PlannedGovernor):
    """Chooses the ratio of each frame and the operating point of each of its stages by a plan.

    Args:
        name: the policy.
        problem: what was planned for, with narrower ratios and the price of the loss.
        miss_bound: highest share of frames that may miss their deadline.
        bins_of: the exit predictor at each ratio of the problem, None where it has one bin.
        feedback: learn from finished inferences and solve anew.
        budget: keep a mean power by leaving earlier and by narrower ratios, whatever they lose.
        allowed_misses: share of misses that may be used up.
        executor: solves anew beside the run.
    """

    chooses_ratio = True

    def __init__(
        self,
        name: str,
        problem: PlanProblem,
        miss_bound: float,
        bins_of: Sequence[BinOf | None],
        *,
        feedback: bool = True,
        budget: EnergyBudget | None = None,
        allowed_misses: float | None = None,
        executor: Executor | None = None,
    ) -> None:
        self._bins_of = tuple(bins_of)
        self._ratios = problem.ratios
        self._ratio = 0
        self._given = problem
        self._eased = self._eased_ns = 0
        super().__init__(
            name, problem, miss_bound, bins_of[0], feedback=feedback, budget=budget,
            allowed_misses=allowed_misses, executor=executor,
        )  # fmt: skip
        self.predicts = any(bin_of is not None for bin_of in bins_of)

    def adopt(self, plan: Plan) -> None:
        """Follow a joint plan."""
        assert isinstance(plan, JointPlan)
        self._lookups = [PlanLookup.of(path) for path in plan.paths]
        self._chosen = [[row.tobytes() for row in ratio] for ratio in plan.chosen]
        self._change_ns = plan.problem.ratio_switch_ns
        if plan.problem.loss_bound_points == self._given.loss_bound_points:
            # Solved anew, the price is where it was, and is raised at most: searching takes long.
            self._given = replace(self._given, loss_price_nj=plan.problem.loss_price_nj)
            self.nominal = eased(self._given, self._eased)
        super().adopt(plan)
        self._enter(self._ratio)

    def first_point(self, frame: Frame, now_ns: int, backlog: int) -> OperatingPoint:
        """Choose the frame's ratio, and return the plan's point for the first stage at it."""
        chosen = self._chosen[self._ratio][self._clock][self._age(frame, now_ns)]
        if chosen != self._ratio:
            now_ns += self._change_ns[self._clock]
            self._enter(chosen)
        return super().first_point(frame, now_ns, backlog)

    def ratio_at(self, point: OperatingPoint) -> str:
        """Return the ratio of the frame that has just been taken up."""
        return self._ratios[self._ratio]

    def learn(self, record: InferenceRecord) -> None:
        """Follow the ratio in force, which may be another if one could not be loaded."""
        if record.ratio != self._ratios[self._ratio] and record.ratio in self._ratios:
            self._enter(self._ratios.index(record.ratio))
        super().learn(record)

    def leaves(self, frame: Frame, result: StageResult, decision: ExitDecision) -> bool:
        """Return True where the energy budget makes the frame leave now, at its ratio."""
        assert self.budget is not None
        return self.budget.leaves(result.stage, decision, self._ratios[self._ratio])

    def _feed_back(self, record: InferenceRecord) -> None:
        if self.budget is not None:
            self._ease(round(self.budget.effort * EASING_STEPS), record.end_ns)
        super()._feed_back(record)

    def _ease(self, steps: int, now_ns: int) -> None:
        if steps != self._eased and now_ns - self._eased_ns >= STEP_NS:
            self._eased, self._eased_ns = steps, now_ns
            self.nominal = eased(self._given, steps)
            self._stale = True

    def _enter(self, ratio: int) -> None:
        self._ratio = ratio
        self._bin_of = self._bins_of[ratio]
        self._bin = 0
        self.follow(self._lookups[ratio])


def eased(problem: PlanProblem, steps: int) -> PlanProblem:
    """Return a joint problem in which accuracy is cheaper by some of `EASING_STEPS` steps.

    Its bound on the loss is then the most that any ratio loses: the price alone decides.
    """
    if not steps:
        return problem
    most_nj = HIGHEST_START * sum(max(map(abs, row)) for row in problem.net_nj)
    price_nj = min(problem.loss_price_nj, most_nj) * EASING**steps
    return replace(
        problem,
        loss_price_nj=0.0 if steps == EASING_STEPS else price_nj,
        loss_bound_points=max(other.loss_points for other in problem.narrower),
    )
