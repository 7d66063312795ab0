"""The joint governor: at which pruning ratio each frame runs, then as the planner's governor."""

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import replace

from boards.operating_point import OperatingPoint
from runtime.governors.planned import BinOf, PlannedGovernor
from runtime.planning.lookup import PlanLookup
from runtime.planning.plan import JointPlan, Plan
from runtime.planning.problem import PlanProblem
from runtime.records import Frame, InferenceRecord


class JointGovernor(PlannedGovernor):
    """Chooses the ratio of each frame and the operating point of each of its stages by a plan.

    Args:
        name: the policy.
        problem: what was planned for, with narrower ratios and the price of the loss.
        miss_bound: highest share of frames that may miss their deadline.
        bins_of: belief about the exit at each ratio of the problem, None where it has one bin.
        calibrate: learn from finished inferences and solve anew.
        allowed_misses: share of misses that may be used up.
        executor: solves anew beside the run.
    """

    def __init__(
        self,
        name: str,
        problem: PlanProblem,
        miss_bound: float,
        bins_of: Sequence[BinOf | None],
        *,
        calibrate: bool = True,
        allowed_misses: float | None = None,
        executor: Executor | None = None,
    ) -> None:
        self._bins_of = tuple(bins_of)
        self._ratios = problem.ratios
        self._ratio = 0
        super().__init__(
            name, problem, miss_bound, bins_of[0], calibrate=calibrate,
            allowed_misses=allowed_misses, executor=executor,
        )  # fmt: skip
        self.predicts = any(bin_of is not None for bin_of in bins_of)

    def adopt(self, plan: Plan) -> None:
        """Follow a joint plan."""
        assert isinstance(plan, JointPlan)
        self._lookups = [PlanLookup.of(path) for path in plan.paths]
        self._chosen = [[row.tobytes() for row in ratio] for ratio in plan.chosen]
        self._change_ns = plan.problem.ratio_switch_ns
        # Solved anew, the price is where it was, and is raised at most: searching it takes long.
        self.nominal = replace(self.nominal, loss_price_nj=plan.problem.loss_price_nj)
        super().adopt(plan)
        self._enter(self._ratio)

    def first_point(self, frame: Frame, now_ns: int, backlog: int) -> OperatingPoint:
        """Choose the frame's ratio, and return the plan's point for the first stage at it."""
        chosen = self._chosen[self._ratio][self._clock][self._slot(frame, now_ns)]
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

    def _enter(self, ratio: int) -> None:
        self._ratio = ratio
        self._bin_of = self._bins_of[ratio]
        self._bin = 0
        self.follow(self._lookups[ratio])
