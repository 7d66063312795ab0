"""The planner's governor: looks points up in a plan, and has it solved anew when the board differs.

A frame costs two lookups. After it, feedback looks at the record: which plan of the set is next
(`MissBucket`), and whether times, arrivals or clocks have left what was solved for.
"""

import logging
import math
from bisect import bisect_left
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, NamedTuple

from numpy.typing import NDArray

from edge_infer.boards.cost_table import OperatingPoint
from edge_infer.runtime.energy_budget import EnergyBudget
from edge_infer.runtime.governors.feedback import (
    DRIFT,
    SLIGHT_DRIFT,
    SLIGHT_FRAMES,
    ArrivalRate,
    ClockCap,
    MissBucket,
    Reserve,
    Slowdown,
)
from edge_infer.runtime.governors.governor import Governor
from edge_infer.runtime.planning.plan import Plan, PlanLookup, PlanSet, hurried
from edge_infer.runtime.planning.problem import PlanProblem
from edge_infer.runtime.planning.solving import Solution, solution, solve_within
from edge_infer.runtime.records import ExitDecision, Frame, InferenceRecord, StageResult

_log = logging.getLogger(__name__)

BinOf = Callable[[Frame, NDArray[Any]], int]
"""From a frame and its first exit's raw scores, shape [classes], to the predictor's bin."""

SETTLING_FRAMES = 50
"""Frames, at most, whose misses are taken for those of a change of plan: where a deadline is no
longer than a change of clock takes, each of them costs several, which no reserve would avoid."""
DRIFT_FRAMES = 3
"""Frames in a row that must differ from what was solved for, so that an odd one does not count."""


class Choice(NamedTuple):
    """How to plan."""

    problem: PlanProblem
    bin_of: BinOf | None
    """The exit predictor; None where nothing is predicted."""
    plans: PlanSet


class PlannedGovernor(Governor):
    """Chooses each stage's operating point by a plan.

    Args:
        name: the policy.
        problem: what was planned for; times and energies of the cost table.
        miss_bound: highest share of frames that may miss their deadline.
        bin_of: the exit predictor; None where the problem has one bin.
        kind_of: what is known before the first stage; for the clairvoyant limit alone.
        feedback: learn from finished inferences and solve anew.
        budget: keep a mean power by leaving earlier.
        plans: a solution of `problem` for `miss_bound`, if it is at hand.
        choosing: what will say how to plan; until it does the fastest point runs.
        allowed_misses: share of misses that plans in turn may come to; `miss_bound` if None.
        executor: solves anew beside the run, which goes on by the old plan meanwhile; None solves
            at once, which costs a simulated board no time.
    """

    def __init__(
        self,
        name: str,
        problem: PlanProblem,
        miss_bound: float,
        bin_of: BinOf | None = None,
        *,
        kind_of: Callable[[Frame], int] | None = None,
        feedback: bool = True,
        budget: EnergyBudget | None = None,
        plans: PlanSet | None = None,
        allowed_misses: float | None = None,
        executor: Executor | None = None,
        choosing: "Future[Choice] | None" = None,
    ) -> None:
        self.name = name
        self.choosing = choosing
        self.predicts = bin_of is not None
        self.nominal = problem
        self.miss_bound = miss_bound
        self._bin_of = bin_of
        self._kind_of = kind_of
        self.budget = budget
        self.may_leave = budget is not None
        self.feedback = feedback
        self.slowdown = Slowdown()
        allowed = miss_bound if allowed_misses is None else allowed_misses
        self.reserve = Reserve(allowed)
        self.miss_bucket = MissBucket(allowed)
        mean_gap_ns = sum(problem.gaps_ns) / len(problem.gaps_ns) if problem.gaps_ns else 0.0
        self.arrivals = ArrivalRate(mean_gap_ns)
        self.cap = ClockCap()
        self.solutions = 0
        self._solved_for = Slowdown()
        self._settling, self._last_end_ns = SETTLING_FRAMES, 0
        self._stale = self._cheapest = False
        self._executor = executor
        self._solving: Future[Solution] | None = None
        self._index_of = {point: i for i, point in enumerate(problem.points)}
        self._asked: list[OperatingPoint] = []
        self._bin = 0
        self._level = 0.0
        self._drifting = self._slightly = 0
        self._clock = 0
        self._idle: OperatingPoint | None = None
        if choosing is not None:
            self.plans = hurried(problem)
            self.adopt(self.plans.feasible)
        else:
            self.take(plans or solve_within(problem, miss_bound))

    @property
    def thread_counts(self) -> tuple[int, ...]:
        """The numbers of interpreter threads that points may ask for, ascending."""
        return tuple(sorted({point.threads for point in self.nominal.points}))

    def take(self, plans: PlanSet) -> None:
        """Take newly solved plans into use."""
        self.plans = plans
        self._settling = SETTLING_FRAMES
        self.solutions += 1
        _log.info("plans solved, number %d", self.solutions)
        self.adopt(self._due())

    def choose(self, choice: "Choice") -> None:
        """Plan as was chosen from now on."""
        self.choosing = None
        self.nominal, self._bin_of = choice.problem, choice.bin_of
        self.predicts = choice.bin_of is not None
        self._bin = 0
        self.take(choice.plans)

    def adopt(self, plan: Plan) -> None:
        """Follow a plan."""
        self.plan = plan
        problem = plan.problem
        self._points = problem.points
        self._ages_ns = plan.ages_ns
        self._last_age = len(plan.ages_ns) - 1
        self.follow(PlanLookup.of(plan))
        self._clock_of_point = problem.clock_of
        self._clock_index = {khz: i for i, khz in enumerate(problem.clocks_khz)}
        self._wait_points = [
            next(p for p in problem.points if p.clock_khz == khz) for khz in problem.clocks_khz
        ]
        self._clock = min(self._clock, len(problem.clocks_khz) - 1)

    def follow(self, lookup: PlanLookup) -> None:
        """Look choices up in a plan's tables from now on."""
        self._first, self._later = lookup.first, lookup.later
        self._idle_clock, self._plan_ns = lookup.idle, lookup.plan_ns

    def first_point(self, frame: Frame, now_ns: int, backlog: int) -> OperatingPoint:
        """Return the plan's point for the first stage."""
        kind = 0 if self._kind_of is None else self._kind_of(frame)
        age = self._age(frame, now_ns)
        index = self._first[kind][self._clock][age]
        self._clock = self._clock_of_point[index]
        point: OperatingPoint = self._points[index]
        self._asked = [point]
        return point

    def next_point(
        self, frame: Frame, result: StageResult, decision: ExitDecision
    ) -> OperatingPoint:
        """Return the plan's point for the next stage, by bin and age of the frame."""
        now_ns = result.end_ns
        if result.stage == 0 and self._bin_of is not None:
            self._bin = self._bin_of(frame, result.scores)
            now_ns += self._plan_ns[self._clock]
        age = self._age(frame, now_ns)
        index = self._later[result.stage][self._bin][self._clock][age]
        self._clock = self._clock_of_point[index]
        point: OperatingPoint = self._points[index]
        self._asked.append(point)
        return point

    def idle_point(self) -> OperatingPoint | None:
        """Return the point to wait at, None to stay."""
        return self._idle

    def learn(self, record: InferenceRecord) -> None:
        """Follow the clock in force; feed the outcome back; note where to wait."""
        if self.budget is not None:
            self.budget.add(record)
        if self.choosing is not None and self.choosing.done():
            self.choose(self.choosing.result())
        if self.feedback:
            self._feed_back(record)
        if record.deadline_ns is not None:
            self.miss_bucket.add(record.number, record.missed)
        if self._due() is not self.plan:
            self.adopt(self._due())
        self._clock = self._clock_index.get(record.points[-1].clock_khz, self._clock)
        age = self._age_index(record.end_ns - record.arrival_ns)
        waits_at = self._idle_clock[self._clock][age]
        self._idle = None
        if waits_at != self._clock:
            self._idle = self._wait_points[waits_at]
            self._clock = waits_at

    def state(self) -> dict[str, Any]:
        """Return what feedback has come to, in the keys of `run --json` and `compare --json`."""
        feasible, cheaper, backup, _ = self.plans
        return {
            "slowdown": round(math.exp(self.slowdown.board), 4),
            "slowdown_by_point": {
                str(p): round(self.slowdown.factor(p), 4) for p in sorted(self.slowdown.points)
            },
            "cap_khz": self.cap.khz,
            "reserve_share": round(self._level, 4),
            "gap_factor": round(self.arrivals.factor, 4),
            "budget_pressure": None if self.budget is None else round(self.budget.effort, 4),
            "penalty_nj": round(feasible.penalty_nj),
            "planned_miss_rate": round(feasible.miss_rate, 6),
            "eager_miss_rate": None if cheaper is None else round(cheaper.miss_rate, 6),
            "strict_miss_rate": None if backup is None else round(backup.miss_rate, 6),
            "misses_allowed": round(self.miss_bucket.tokens, 4),
            "solutions": self.solutions,
        }

    def _due(self) -> Plan:
        """Return the plan whose turn it is."""
        feasible, cheaper, backup, _ = self.plans
        if cheaper is not None and self.miss_bucket.spends:
            return cheaper
        return backup if backup is not None and self.miss_bucket.overdrawn else feasible

    def _age(self, frame: Frame, now_ns: int) -> int:
        """Return the index of a frame's age, counted back from its deadline."""
        if frame.deadline_ns is None:
            return 0
        age_ns = self.nominal.deadline_ns - (frame.deadline_ns - now_ns)
        return self._age_index(age_ns)

    def _age_index(self, age_ns: int) -> int:
        return min(bisect_left(self._ages_ns, age_ns), self._last_age)

    def leaves(self, frame: Frame, result: StageResult, decision: ExitDecision) -> bool:
        """Return True where the energy budget makes the frame leave now."""
        assert self.budget is not None
        return self.budget.leaves(result.stage, decision)

    def _feed_back(self, record: InferenceRecord) -> None:
        nominal = self.nominal.at(record.ratio)
        ratios: dict[int, float] = {}
        for stage, point in enumerate(record.points):
            if point in self._index_of:
                tabled_ns = nominal.time_ns[stage][self._index_of[point]]
                real_ns = record.stage_end_ns[stage] - record.stage_start_ns[stage]
                if point.threads == record.points[0].threads:
                    ratios[point.clock_khz] = real_ns / tabled_ns
                self.slowdown.add(point, real_ns / tabled_ns, (nominal.ratio, stage))
            self._stale |= self.cap.add(self._asked[stage].clock_khz, point.clock_khz)
        if len(ratios) > 1:
            self._stale |= self.cap.infer(ratios, nominal.clocks_khz)
        self._stale |= self.cap.frame()
        self._stale |= self.arrivals.add(record.arrival_ns)
        self._settle(record)
        counts = not self._settling and self.plan is not self.plans.cheaper
        if record.deadline_ns is not None and counts:
            self.reserve.add(record.missed)  # the cheaper plan's misses are in the bound
            self._stale |= self.reserve.level != self._level
        drift = self._drift(record)
        self._drifting = self._drifting + 1 if drift > DRIFT else 0
        self._slightly = self._slightly + 1 if drift > SLIGHT_DRIFT else 0
        drifted = self._drifting >= DRIFT_FRAMES or self._slightly >= SLIGHT_FRAMES
        cheapest = self.budget is not None and self.budget.effort >= 1.0
        if self._solving is not None:
            if self._solving.done():
                self._take(self._solving.result())
            return
        if self.choosing is None and (self._stale or cheapest != self._cheapest or drifted):
            self._cheapest = cheapest
            if self._drifting >= DRIFT_FRAMES:
                self.miss_bucket.forfeit()
            self._solve()

    def _drift(self, record: InferenceRecord) -> float:
        """Return how far, as a share, a stage that just ran is from what was solved for."""
        now, before = self.slowdown, self._solved_for
        stages = [(point, (record.ratio, stage)) for stage, point in enumerate(record.points)]
        return max(abs(now.factor(*key) / before.factor(*key) - 1) for key in stages)

    def _settle(self, record: InferenceRecord) -> None:
        """Note when what a change of plan held up is done with."""
        waited = record.arrival_ns < self._last_end_ns
        self._last_end_ns = record.end_ns
        if self._settling:
            self._settling = self._settling - 1 if waited or record.switches else 0

    def _solve(self) -> None:
        """Have the board as it is now solved for: at once, or by the executor."""
        self._stale, self._drifting, self._slightly = False, 0, 0
        self._solved_for = self.slowdown.copy()
        problem = self.nominal.slower(self.slowdown.factor)
        problem = problem.with_gaps(self.arrivals.factor)
        if self.cap.khz is not None:
            problem = problem.capped(self.cap.khz)
        bound = None if self._cheapest else self.miss_bound
        work = problem, bound, self.reserve.level
        if self._executor is None:
            self._take(solution(*work))
        else:
            self._solving = self._executor.submit(solution, *work)

    def _take(self, solution: Solution) -> None:
        self._solving = None
        if solution.refused:
            self.reserve.refuse()
        self._level = solution.level
        self.take(solution.plans)
