"""A comparison: every policy on the same frames and arrivals, on one board's cost table."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_infer.boards.cost_table import CostTable
from edge_infer.commands.render import note
from edge_infer.lab.comparison.best_pruned import PRUNING, PrunedNet, best_pruned, pruned_nets
from edge_infer.lab.comparison.comparison_frames import ComparisonFrames
from edge_infer.lab.comparison.conditions import Conditions
from edge_infer.lab.comparison.replays import Replays
from edge_infer.lab.costs.board_tables import board_table
from edge_infer.lab.costs.classic_net import CLASSIC
from edge_infer.lab.replay.costs import scaled_table
from edge_infer.lab.replay.replay import Traffic
from edge_infer.lab.replay.result import ReplayResult, pad_to
from edge_infer.lab.replay.scored_frames import ScoredFrames
from edge_infer.models_tflite import Bundle
from edge_infer.models_tflite.manifest import FULL_RATIO
from edge_infer.runtime.energy_budget import EnergyBudget
from edge_infer.runtime.errors import PolicyError, RunError
from edge_infer.runtime.governor import FixedGovernor, Governor, open_governor
from edge_infer.runtime.governors.planned import BinOf, PlannedGovernor
from edge_infer.runtime.governors.stable_latency import NAME as STABLE
from edge_infer.runtime.governors.stable_latency import StableLatencyGovernor
from edge_infer.runtime.governors.trace_limit import MOST_FRAMES
from edge_infer.runtime.policies.by_name import (
    KERNEL,
    LIMITS,
    UNCALIBRATED,
    fixed_policies,
    open_policy,
)
from edge_infer.runtime.policies.context import PolicyContext
from edge_infer.runtime.policies.joint import NAME as JOINT
from edge_infer.runtime.policies.ratio_context import RatioContext, ratio_contexts
from edge_infer.runtime.prediction.predictor import ExitPredictor
from edge_infer.runtime.workload.arrivals import Arrivals
from edge_infer.runtime.workload.workloads import open_workload, typical_gaps_ns

MULTI = ("planned", "planned-zero-pad", "planned-perfect")
"""Policies that need a later exit to predict."""
CLASSIC_POLICY = "classic"
"""The net without early exits at the top clock, one thread."""


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
        self.pruned: PrunedNet | None = None
        self._check_deadline()
        draw = np.random.default_rng(conditions.seed)
        self.order: list[int] = draw.integers(0, len(frames.frames), conditions.frames).tolist()
        times = None
        if self.arrivals.paced:
            times = list(islice(self.arrivals.times_ns(0), conditions.frames))
        self.traffic = Traffic(self.order, times, self.deadline_ns)
        self.replays = Replays(
            bundle, frames.frames, narrower, self.table, self.traffic, conditions
        )
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
            return self._without_exits(policy, PrunedNet(FULL_RATIO, self.top))
        if policy == PRUNING:
            return self._pruning()
        governor = self._governor(policy)
        replay = self.replays.with_exits(changes_ratio=hasattr(governor, "ratio_at"))
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
        names += [f"{STABLE}:powersave"] if self.narrower else []
        names += [PRUNING, JOINT] if self.context.ratios else []
        if self.untold:
            self.warnings.append(f"no {PRUNING} and no {JOINT}: {self.untold}")
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
            ratio_switch=self.replays.ratio_switch,
            loss_points=self.conditions.loss_points,
            calibrate=self.conditions.calibrate,
            budget=None if self.conditions.budget_uw is None else self._budget,
        )

    def _budget(self) -> EnergyBudget:
        assert self.conditions.budget_uw is not None
        return EnergyBudget.of(self.bundle.manifest, self.table, self.conditions.budget_uw)

    def _ratios(self) -> tuple[RatioContext, ...]:
        """Return what is known of the ratios, each scored frame asked about once."""
        self.untold = ""
        if not self.narrower:
            return ()
        try:
            told = ratio_contexts(self.bundle.manifest)
        except PolicyError as error:
            self.untold = str(error)
            return ()
        return tuple(
            replace(
                one, bin_of=_known_bins(one.predictor, self.replays.scores(one.ratio), self.order)
            )
            for one in told
        )

    def _governor(self, policy: str) -> Governor:
        name, _, clock = policy.partition(":")
        if name == JOINT and self.untold:
            raise PolicyError(self.untold)
        if name != STABLE:
            return open_policy(policy, self.context)
        if not self.narrower:
            raise PolicyError(
                f"the policy {STABLE} needs a prunable bundle, whose ratios it chooses"
            )
        khz = [point.clock_khz for point in self.context.single_points]
        governor = open_governor(clock or "performance", khz, self.top.threads)
        target_ns = self.conditions.target_ns or self.deadline_ns
        ratios = self.bundle.manifest.ratios
        return StableLatencyGovernor(policy, governor, self.table, self.stages, ratios, target_ns)

    def _pruning(self) -> ReplayResult:
        """Return what pruning alone comes to at best: one ratio, one point, no exits."""
        if not self.context.ratios:
            raise PolicyError(self.untold or f"the policy {PRUNING} needs a prunable bundle")
        most = self.conditions.loss_points
        ratios = [one.ratio for one in self.context.ratios if one.loss_points <= most]
        nets = pruned_nets(self.table, ratios, self.points, self.period_ns)
        result, self.pruned = best_pruned(
            nets,
            lambda net: self._without_exits(PRUNING, net),
            self.conditions.miss_bound,
        )
        return result

    def _without_exits(self, policy: str, net: PrunedNet) -> ReplayResult:
        replay = self.replays.without_exits(net.ratio)
        result = replay.run(FixedGovernor(policy, net.point), net.point)
        result.ratios = {net.ratio: result.answered}
        return result

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
