"""A comparison: every policy on the same frames and arrivals, on one board's cost table."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_infer.boards.cost_table import CostTable
from edge_infer.boards.profile import BoardProfile
from edge_infer.lab.baselines.policies import KERNEL, LIMITS, MOST_FRAMES
from edge_infer.lab.baselines.replay_context import ReplayContext
from edge_infer.lab.comparison.comparison_frames import ComparisonFrames
from edge_infer.lab.comparison.conditions import Conditions
from edge_infer.lab.comparison.replays import (
    PRUNING,
    PrunedNet,
    Replays,
    best_pruned,
    pruned_nets,
)
from edge_infer.lab.comparison.static_nets import (
    StaticNet,
    best_points,
    right_answers,
    static_document,
)
from edge_infer.lab.costs.board_costs import CLASSIC, board_table
from edge_infer.lab.progress import Progress, silent
from edge_infer.lab.replay.costs import scaled_table
from edge_infer.lab.replay.replay import Traffic
from edge_infer.lab.replay.result import ReplayResult, pad_to
from edge_infer.lab.replay.scored_frames import ScoredFrames
from edge_infer.lab.work import IN_PROCESS, CellRunner
from edge_infer.models_tflite import Bundle
from edge_infer.models_tflite.manifest import FULL_RATIO
from edge_infer.runtime.arrivals import Arrivals, open_workload
from edge_infer.runtime.errors import InputError, PolicyError, RunError
from edge_infer.runtime.governors.governor import FixedGovernor
from edge_infer.runtime.governors.planned import BinOf
from edge_infer.runtime.policies.context import PolicySettings
from edge_infer.runtime.policies.joint_policy import RatioContext, ratio_contexts
from edge_infer.runtime.policies.plan_policies import nothing_to_give_up
from edge_infer.runtime.policies.policy import find_policy, fixed_policies, open_policy
from edge_infer.runtime.predictor import ExitPredictor

MULTI = ("planned", "planned-zero-pad", "planned-perfect")
"""Policies that need a later exit to predict."""
CLASSIC_POLICY = "classic"
"""The net without early exits at the top clock, one thread."""
SHORTER = 2_000
"""Frames of a comparison that is made again and again on boards with other figures."""
NETS = (CLASSIC_POLICY, PRUNING)
"""Names that stand for another net at a fixed point, not for a governor."""
LEAVING = "planned-leaving"
JOINT, STABLE, WITHOUT_FEEDBACK = "planned-joint", "stable-latency", "planned-uncalibrated"


class Comparison:
    """Replays policies under the same conditions: same frames, same arrivals, same cost table.

    Args:
        bundle: an open bundle.
        frames: scored, with the predictors.
        conditions: of board and workload.
        table: a cost table of your own; the simulated board's if None. It must have the classic
            net's row, or the classic net is taken as the sum of the stages.
        narrower: the same frames scored at other pruning ratios; then there is a joint policy.
        statics: nets that answer every frame alike, scored on the same frames.
        profile: the simulated board with other figures than its own.
        progress: called with the policy that is replayed.

    Raises:
        RunError: the conditions contradict each other or the table does not fit.
        InputError: a disturbance holds the board at a clock that it has not.
    """

    def __init__(
        self,
        bundle: Bundle,
        frames: ComparisonFrames,
        conditions: Conditions,
        table: CostTable | None = None,
        narrower: Mapping[str, ScoredFrames] = MappingProxyType({}),
        progress: Progress = silent,
        *,
        statics: Sequence[StaticNet] = (),
        profile: BoardProfile | None = None,
    ) -> None:
        self._progress = progress
        self._given = (bundle, frames, conditions, table, dict(narrower), tuple(statics), profile)
        self.statics = statics
        self.bundle = bundle
        self.narrower = narrower
        self.scored = frames
        self.conditions = conditions
        stages = bundle.manifest.stages
        self.stages = tuple(stage.name for stage in stages)
        works = [net.work for net in statics]
        found = table or board_table(bundle, conditions.board, works, profile)
        if conditions.time_scale != 1.0:
            found = scaled_table(found, conditions.time_scale)
        self.table = found
        self.points = tuple(p for p in found.points if p.threads in conditions.threads)
        self._check_threads(found)
        self._check_caps()
        singles = [p for p in self.points if p.threads == min(q.threads for q in self.points)]
        self.top = singles[-1]
        self.classic_ns = found.row(CLASSIC, self.top).time_ns
        self.arrivals, self.rate_hz = self._arrivals()
        self.period_ns = 1e9 / self.rate_hz if self.rate_hz else self.classic_ns
        self.deadline_ns = conditions.deadline_ns or round(
            conditions.deadline_periods * self.period_ns
        )
        self.warnings = list(frames.warnings)
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

    def _check_threads(self, table: CostTable) -> None:
        asked, board = self.conditions.threads, self.conditions.board
        if not self.points:
            raise PolicyError(f"{board} offers none of the threads {asked}")
        offered = sorted({point.threads for point in table.points})
        missing = [count for count in asked if count not in offered]
        if missing and asked != Conditions.threads:
            told = ", ".join(map(str, offered))
            raise PolicyError(
                f"{board} has no operating point of {missing[-1]} threads; --threads names some of "
                f"these: {told}"
            )

    def _check_caps(self) -> None:
        clocks = sorted({point.clock_khz for point in self.points})
        caps = [d.cap_khz for d in self.conditions.disturbances if d.cap_khz is not None]
        wrong = [cap for cap in caps if cap not in clocks]
        if wrong:
            offered = ", ".join(f"{khz / 1000:g}" for khz in clocks)
            raise InputError(
                f"{self.conditions.board} cannot be held at {wrong[0] / 1000:g} MHz; --cap is one "
                f"of its clocks: {offered}"
            )

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel as what it was made of: a worker makes it anew."""
        return _made, self._given

    def run(self, policies: Sequence[str], work: CellRunner = IN_PROCESS) -> list[ReplayResult]:
        """Replay each policy, a cell of `work`; then idle all of them to the same wall time.

        Raises:
            PolicyError: a policy is unknown, or something that it needs is not known here.
        """
        for policy in policies:
            if policy not in NETS:
                find_policy(policy, NETS)
        results = []
        for result, state, pruned in work.map(_replayed, self, policies, "policies"):
            results.append(result)
            self.states |= {} if state is None else {result.policy: state}
            self.pruned = pruned or self.pruned
        wall_ns = max(result.wall_ns for result in results)
        for result in results:
            pad_to(result, wall_ns, self.table.idle_uw[result.last_khz])
        return results

    def replay(self, policy: str) -> ReplayResult:
        """Replay one policy."""
        self._progress(f"{self.conditions.board}: {policy}")
        if policy == CLASSIC_POLICY:
            return self._without_exits(policy, PrunedNet(FULL_RATIO, self.top))
        if policy == PRUNING:
            return self._pruning()
        governor = open_policy(policy, self.context)
        replay = self.replays.with_exits(governor.chooses_ratio)
        result = replay.run(governor, self.top)
        state = governor.state()
        if state is not None:
            self.states[policy] = {**state, "predicts": governor.predicts}
        return result

    def on(self, profile: BoardProfile, frames: int = SHORTER) -> "Comparison":
        """Return the same comparison on a board with other figures, over fewer frames.

        A load stays a load: of what that board can do.
        """
        conditions = replace(self.conditions, frames=min(frames, self.conditions.frames))
        return Comparison(
            self.bundle, self.scored, conditions, narrower=self.narrower, statics=self.statics,
            profile=profile,
        )  # fmt: skip

    def static(self) -> dict[str, Any] | None:
        """Return what the static nets come to (`static_document`); None where there are none."""
        if not self.statics:
            return None
        bound = self.conditions.miss_bound
        self._progress(f"{self.conditions.board}: {len(self.statics)} static nets")
        found = best_points(self.statics, self.table, self.points, self.replays.static, bound)
        ours = right_answers(self.scored.frames)
        return static_document(ours, found, self.replays.static, bound)

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
        names += self._leaving() if multi else []
        names += [f"{STABLE}:powersave"] if self.narrower else []
        names += [PRUNING, JOINT] if self.context.ratios else []
        if self.without_ratios:
            self.warnings.append(f"no {PRUNING} and no {JOINT}: {self.without_ratios}")
        names += [WITHOUT_FEEDBACK] if self.conditions.disturbances else ()
        random = len(set(self.context.gaps_ns)) > 1
        if limits and multi and random and self.conditions.frames > MOST_FRAMES:
            self.warnings.append(
                f"no limits: of a random workload they are planned frame by frame, for at most "
                f"{MOST_FRAMES} frames"
            )
            limits = False
        return names + (list(LIMITS) if limits and multi else [])

    def _leaving(self) -> list[str]:
        """Return the policy that leaves by its plan, where it is known what that costs."""
        chain = self.scored.chain
        if chain is None:
            return []
        no_room = nothing_to_give_up(chain, self.conditions.loss_points)
        if no_room:
            self.warnings.append(f"no {LEAVING}: {no_room}")
        return [] if no_room else [LEAVING]

    def _arrivals(self) -> tuple[Arrivals, float]:
        conditions = self.conditions
        rate_hz = conditions.rate_hz
        if rate_hz is None:
            if conditions.load is None or not 0 < conditions.load <= 10:
                raise RunError("give a load between 0 and 10, or a rate")
            rate_hz = conditions.load * 1e9 / self.classic_ns
        arrivals = open_workload(conditions.workload, rate_hz, conditions.seed + 1)
        return arrivals, arrivals.rate_hz

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

    def _context(self) -> ReplayContext:
        self.states: dict[str, dict[str, Any]] = {}
        conditions, scored, order = self.conditions, self.scored, self.order
        first, exits = scored.frames.scores[0], scored.frames.exits.tolist()
        seed = conditions.seed + 101  # other draws of the same law than those replayed
        settings = PolicySettings(
            deadline_ns=self.deadline_ns,
            arrivals=open_workload(conditions.workload, self.rate_hz or 1.0, seed),
            miss_bound=conditions.miss_bound,
            target_ns=conditions.target_ns or self.deadline_ns,
            loss_points=conditions.loss_points,
            budget_uw=conditions.budget_uw,
            cost_table=self.table,
        )
        context = ReplayContext(self.bundle, self.table, self.points, settings)
        context.exit_shares = scored.exit_shares
        context.predictor = scored.predictor
        context.chain = scored.chain
        context.zero_pad = scored.zero_pad
        context.bin_of = _known_bins(scored.predictor, first, order)
        context.zero_pad_bin_of = _known_bins(scored.zero_pad, first, order)
        context.arrivals_ns = self.traffic.arrivals_ns
        context.exit_of = lambda frame: exits[order[frame.number]]
        context.queue_limit = conditions.queue
        context.feedback = conditions.feedback
        context.ratios = self._ratios()
        context.without_ratios = self.without_ratios
        return context

    def _ratios(self) -> tuple[RatioContext, ...]:
        """Return what is known of the ratios, each scored frame asked about once."""
        self.without_ratios = ""
        if not self.narrower:
            return ()
        try:
            contexts = ratio_contexts(self.bundle.manifest)
        except PolicyError as error:
            self.without_ratios = str(error)
            return ()
        return tuple(
            replace(
                one, bin_of=_known_bins(one.predictor, self.replays.scores(one.ratio), self.order)
            )
            for one in contexts
        )

    def _pruning(self) -> ReplayResult:
        """Return what pruning alone comes to at best: one ratio, one point, no exits."""
        if not self.context.ratios:
            self.context.require("ratios", PRUNING)
            raise PolicyError(self.without_ratios)
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


def _made(
    bundle: Bundle, frames: ComparisonFrames, conditions: Conditions, table: CostTable | None,
    narrower: Mapping[str, ScoredFrames], statics: Sequence[StaticNet],
    profile: BoardProfile | None,
) -> Comparison:  # fmt: skip
    return Comparison(bundle, frames, conditions, table, narrower, statics=statics, profile=profile)


def _replayed(
    comparison: Comparison, policy: str
) -> tuple[ReplayResult, dict[str, Any] | None, PrunedNet | None]:
    """Replay a policy, where this comparison is; return what it left behind, too."""
    result = comparison.replay(policy)
    return result, comparison.states.get(policy), comparison.pruned


def _known_bins(
    predictor: ExitPredictor | None, rows: NDArray[Any], order: Sequence[int]
) -> BinOf | None:
    """Ask a predictor once for every scored frame."""
    if predictor is None:
        return None
    bins = [predictor.bin_of(row) for row in rows]
    return lambda frame, scores: bins[order[frame.number]]
