"""A comparison: every policy on the same frames and arrivals, on one board's cost table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from boards.cost_table import CostTable
from models_tflite import Bundle
from models_tflite.manifest import FULL_RATIO
from runtime.energy_budget import EnergyBudget
from runtime.errors import RunError
from runtime.governors.planned import BinOf, PlannedGovernor
from runtime.governors.trace_limit import MOST_FRAMES
from runtime.policies.by_name import (
    KERNEL,
    LIMITS,
    UNCALIBRATED,
    fixed_policies,
    open_policy,
)
from runtime.policies.context import PLAN_OVERHEADS, PolicyContext
from runtime.policies.joint import NAME as JOINT
from runtime.policies.ratio_context import RatioContext, ratio_contexts
from runtime.prediction.predictor import ExitPredictor
from runtime.replay.costs import Disturbance, ReplayCosts, scaled_table
from runtime.replay.replay import Replay, Traffic
from runtime.replay.result import ReplayResult, pad_to
from runtime.replay.scored_frames import ScoredFrames
from runtime.stage_work import row_name, switch_work
from runtime.workload.arrivals import Arrivals
from runtime.workload.workloads import open_workload, typical_gaps_ns

from ..costs.classic_net import CLASSIC
from ..costs.tables import board_table
from ..render import note
from .frames import ComparisonFrames

MULTI = ("planned", "planned-zero-pad", "planned-perfect")
"""Policies that need a later exit to predict."""
CLASSIC_POLICY = "classic"
"""The net without early exits at the top clock, one thread."""


@dataclass(frozen=True)
class Conditions:
    """What is the same for every policy."""

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
    time_scale: float = 1.0
    late: Literal["run", "drop"] = "run"
    queue: int = 4
    calibrate: bool = True
    disturbances: tuple[Disturbance, ...] = ()
    strict: bool = False
    budget_uw: int | None = None
    """Mean power that the planner's governor keeps to."""
    loss_points: float = 1.0
    """Mean accuracy that pruning ratios may lose, for a policy that chooses them."""


class Comparison:
    """Replays policies under the same conditions.

    Args:
        bundle: an open bundle.
        frames: scored, with the predictors.
        conditions: of board and workload.
        table: a cost table of your own; the simulated board's if None. It must have the classic
            net's row, or the classic net is taken as the sum of the stages.
        narrower: the same frames scored at other pruning ratios; then there is a joint policy.

    Raises:
        RunError: the conditions contradict each other or the table does not fit.
    """

    def __init__(
        self,
        bundle: Bundle,
        frames: ComparisonFrames,
        conditions: Conditions,
        table: CostTable | None = None,
        narrower: Mapping[str, ScoredFrames] = MappingProxyType({}),
    ) -> None:
        self.bundle = bundle
        self.narrower = narrower
        self.scored = frames
        self.conditions = conditions
        stages = bundle.manifest.stages
        self.stages = tuple(stage.name for stage in stages)
        found = table or board_table(bundle, conditions.board)
        if conditions.time_scale != 1.0:
            found = scaled_table(found, conditions.time_scale)
        self.table = found
        self.points = tuple(p for p in found.points if p.threads in conditions.threads)
        if not self.points:
            raise RunError(f"{conditions.board} offers none of the threads {conditions.threads}")
        singles = [p for p in self.points if p.threads == min(q.threads for q in self.points)]
        self.top = singles[-1]
        self.classic_ns = found.row(CLASSIC, self.top).time_ns
        self.arrivals, self.rate_hz = self._arrivals()
        self.period_ns = 1e9 / self.rate_hz if self.rate_hz else self.classic_ns
        self.deadline_ns = conditions.deadline_ns or round(
            conditions.deadline_periods * self.period_ns
        )
        self.warnings: list[str] = []
        self._check_deadline()
        draw = np.random.default_rng(conditions.seed)
        self.order: list[int] = draw.integers(0, len(frames.frames), conditions.frames).tolist()
        times = None
        if self.arrivals.paced:
            times = list(islice(self.arrivals.times_ns(0), conditions.frames))
        self.traffic = Traffic(self.order, times, self.deadline_ns)
        self.context = self._context()

    def run(self, policies: Sequence[str]) -> list[ReplayResult]:
        """Replay each policy; then idle all of them to the same wall time."""
        results = [self.replay(policy) for policy in policies]
        wall_ns = max(result.wall_ns for result in results)
        for result in results:
            pad_to(result, wall_ns, self.table.idle_uw[self._last_khz(result)])
        return results

    def replay(self, policy: str) -> ReplayResult:
        """Replay one policy."""
        note(f"{self.conditions.board}: {policy}")
        if policy == CLASSIC_POLICY:
            result = self._replay(self._classic_frames(), (CLASSIC,)).run(
                open_policy("performance", self.context), self.top
            )
            result.policy = policy
            return result
        governor = open_policy(policy, self.context)
        replay = self._replay(self.scored.frames, self.stages, joint=policy == JOINT)
        result = replay.run(governor, self.top)
        if isinstance(governor, PlannedGovernor):
            self.states[policy] = governor.state() | {"predicts": governor.predicts}
        return result

    @property
    def disturbed_at(self) -> int | None:
        """The frame from which the board is not what its table says, if there is one."""
        return min((d.from_frame for d in self.conditions.disturbances), default=None)

    def policies(self, limits: bool = True, fixed: bool = True) -> list[str]:
        """Return every policy there is here: the classic net, baselines, planners, limits."""
        multi = len(self.stages) > 1
        names = [CLASSIC_POLICY, "performance", "powersave"]
        names += fixed_policies(self.points)[1:] if fixed else ()
        names += [*KERNEL, *(["zero-pad"] if multi else []), "planned-blind"]
        names += MULTI if multi else ["planned"]
        names += [JOINT] if self.narrower else []
        names += [UNCALIBRATED] if self.conditions.disturbances else ()
        random = len(set(self.context.gaps_ns)) > 1
        if limits and multi and random and self.conditions.frames > MOST_FRAMES:
            self.warnings.append(
                f"no limits: of a random workload they are planned frame by frame, for at most "
                f"{MOST_FRAMES} frames"
            )
            limits = False
        return names + (list(LIMITS) if limits and multi else [])

    def _arrivals(self) -> tuple[Arrivals, float]:
        conditions = self.conditions
        rate_hz = conditions.rate_hz
        if rate_hz is None:
            if conditions.load is None or not 0 < conditions.load < 10:
                raise RunError("give a load between 0 and 10, or a rate")
            rate_hz = conditions.load * 1e9 / self.classic_ns
        arrivals = open_workload(conditions.workload, rate_hz, conditions.seed + 1)
        own = getattr(arrivals, "rate_hz", None)
        return arrivals, (own or rate_hz) if arrivals.paced else 0.0

    def _check_deadline(self) -> None:
        least_ns = sum(
            min(self.table.row(stage, point).time_ns for point in self.points)
            for stage in self.stages
        )
        if least_ns <= self.deadline_ns:
            return
        message = (
            f"no operating point of {self.conditions.board} runs all stages within "
            f"{self.deadline_ns / 1e6:.3f} ms: the least possible is {least_ns / 1e6:.3f} ms"
        )
        if self.conditions.strict:
            raise RunError(f"{message}; give a longer deadline")
        self.warnings.append(f"{message}; going on as well as can be")

    def _context(self) -> PolicyContext:
        self.states: dict[str, dict[str, Any]] = {}
        scored, order = self.scored, self.order
        first = scored.frames.scores[0]
        exits = scored.frames.exits.tolist()
        seed = self.conditions.seed + 101  # other draws of the same law than those replayed
        twin = open_workload(self.conditions.workload, self.rate_hz or 1.0, seed)
        return PolicyContext(
            table=self.table,
            stages=self.stages,
            points=self.points,
            deadline_ns=self.deadline_ns,
            gaps_ns=typical_gaps_ns(twin),
            miss_bound=self.conditions.miss_bound,
            exit_shares=scored.exit_shares,
            predictor=scored.predictor,
            zero_pad=scored.zero_pad,
            bin_of=_known_bins(scored.predictor, first, order),
            zero_pad_bin_of=_known_bins(scored.zero_pad, first, order),
            arrivals_ns=self.traffic.arrivals_ns,
            exit_of=lambda frame: exits[order[frame.number]],
            queue_limit=self.conditions.queue,
            ratios=self._ratios(),
            ratio_switch=self._ratio_switch,
            loss_points=self.conditions.loss_points,
            calibrate=self.conditions.calibrate,
            budget=None if self.conditions.budget_uw is None else self._budget,
        )

    def _budget(self) -> EnergyBudget:
        assert self.conditions.budget_uw is not None
        tuned = self.bundle.manifest.thresholds
        return EnergyBudget(
            self.conditions.budget_uw, self.table, self.stages,
            {ratio: chosen.values for ratio, chosen in tuned.items()},
            ratio_switch=self._ratio_switch,
        )  # fmt: skip

    @property
    def _ratio_switch(self) -> str:
        return switch_work(self.bundle.manifest, FULL_RATIO).name

    def _ratios(self) -> tuple[RatioContext, ...]:
        """Return what a joint policy knows of the ratios, each scored frame asked about once."""
        if not self.narrower:
            return ()
        frames = {FULL_RATIO: self.scored.frames, **self.narrower}
        return tuple(
            replace(one, bin_of=_known_bins(one.predictor, frames[one.ratio].scores[0], self.order))
            for one in ratio_contexts(self.bundle.manifest)
        )

    def _replay(self, frames: ScoredFrames, stages: Sequence[str], joint: bool = False) -> Replay:
        narrower = {
            ratio: (
                own, ReplayCosts(self.table, [row_name(stage, ratio) for stage in self.stages])
            )
            for ratio, own in self.narrower.items()
            if joint
        }  # fmt: skip
        change = {
            point: self.table.row(self._ratio_switch, point) for point in self.points if joint
        }
        return Replay(
            frames, self.traffic, ReplayCosts(self.table, stages),
            late=self.conditions.late, queue_limit=self.conditions.queue,
            disturbances=self.conditions.disturbances, plan_overheads=PLAN_OVERHEADS,
            narrower=narrower, ratio_switch=change,
        )  # fmt: skip

    def _classic_frames(self) -> ScoredFrames:
        frames = self.scored.frames
        last = [(row[-1]._replace(leave=True),) for row in frames.decisions]
        return ScoredFrames(
            frames.scores[-1:], tuple(last), np.zeros_like(frames.exits), frames.labels
        )

    def _last_khz(self, result: ReplayResult) -> int:
        return next(reversed(result.residency_ns), self.top.clock_khz)


def _known_bins(
    predictor: ExitPredictor | None, rows: NDArray[Any], order: Sequence[int]
) -> BinOf | None:
    """Ask a predictor once for every scored frame."""
    if predictor is None:
        return None
    bins = [predictor.bin_of(row) for row in rows]
    return lambda frame, scores: bins[order[frame.number]]
