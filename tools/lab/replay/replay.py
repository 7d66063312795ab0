"""Replay: frames whose scores are known run through a governor on a board that is a cost table.

The same governors as on a board, called in the same order, in virtual time with an analytic meter:
stages take and draw what the table says, switches cost time and energy, waits cost idle power at
the clock waited at. So large comparisons need no interpreter.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Literal, NamedTuple

from edge_infer.boards.cost_table import CostRow
from edge_infer.boards.operating_point import OperatingPoint
from edge_infer.lab.replay.costs import Disturbance, ReplayCosts
from edge_infer.lab.replay.result import ReplayResult
from edge_infer.lab.replay.scored_frames import ScoredFrames
from edge_infer.models_tflite.manifest import FULL_RATIO
from edge_infer.runtime.governor import Governor
from edge_infer.runtime.governors.ticking import TickingGovernor
from edge_infer.runtime.records import ExitDecision, Frame, InferenceRecord, StageResult


class Traffic(NamedTuple):
    """Which frames come when."""

    order: Sequence[int]
    """Index among the scored frames of each arrival."""
    arrivals_ns: Sequence[int] | None
    """Ascending; None for frames that arrive whenever the runtime is free."""
    deadline_ns: int | None
    """From arrival to the due answer."""


class Replay:
    """Runs governors over the same frames and arrivals, one after the other.

    Args:
        frames: scored and judged.
        traffic: which of them come when.
        costs: of the board.
        late: run a frame that is past its deadline, or drop it; it counts as a miss either way.
        queue_limit: how many frames may wait; the oldest is dropped for a newer one.
        disturbances: how the board differs from its table, by frame.
        plan_overheads: what choosing a plan costs a governor that `predicts`, in units of the
            first stage's overhead.
        narrower: the same frames, and their costs, at other pruning ratios.
        ratio_switch: what a change of ratio costs, by point.
    """

    def __init__(
        self,
        frames: ScoredFrames,
        traffic: Traffic,
        costs: ReplayCosts,
        *,
        late: Literal["run", "drop"] = "run",
        queue_limit: int = 4,
        disturbances: Sequence[Disturbance] = (),
        plan_overheads: float = 0.0,
        narrower: Mapping[str, tuple[ScoredFrames, ReplayCosts]] = MappingProxyType({}),
        ratio_switch: Mapping[OperatingPoint, CostRow] = MappingProxyType({}),
    ) -> None:
        self.frames = frames
        self.traffic = traffic
        self.costs = costs
        self._late = late
        self._queue_limit = queue_limit
        self._disturbances = sorted(disturbances, key=lambda d: d.from_frame)
        self._plan_overheads = plan_overheads
        self.ratios = {FULL_RATIO: (frames, costs), **narrower}
        self.ratio_switch = ratio_switch

    def run(self, governor: Governor, start_point: OperatingPoint | None = None) -> ReplayResult:
        """Return what a governor came to; it starts at the lowest clock by default."""
        run = _Run(self, governor, start_point or self.costs.points[0])
        self._slow_down(1.0)
        try:
            run.all_frames()
        finally:
            self._slow_down(1.0)
        return run.result

    def _slow_down(self, factor: float) -> None:
        for _, costs in self.ratios.values():
            costs.slow_down(factor)

    def disturb(self, run: "_Run", frame: int) -> None:
        """Apply what begins at a frame."""
        for disturbance in self._disturbances:
            if disturbance.from_frame == frame:
                self._slow_down(disturbance.slowdown)
                run.cap_khz = disturbance.cap_khz

    @property
    def disturbed_frames(self) -> frozenset[int]:
        """Frames at which something changes."""
        return frozenset(d.from_frame for d in self._disturbances)


class _Run:
    """The state of one replay."""

    def __init__(self, replay: Replay, governor: Governor, point: OperatingPoint) -> None:
        self.replay = replay
        self.governor = governor
        self.costs = replay.costs
        self.point = self.asked = point
        self.now_ns = 0
        self.cap_khz: int | None = None
        self.ticking = governor if isinstance(governor, TickingGovernor) else None
        self.predicts = getattr(governor, "predicts", False)
        self.leaves = getattr(governor, "leaves", None)
        self.ratio_at = getattr(governor, "ratio_at", None)
        self.ratio, self.frames = FULL_RATIO, replay.frames
        labels = replay.frames.labels
        self.result = ReplayResult(
            governor.name,
            len(replay.traffic.order),
            [0] * len(replay.frames.scores),
            None if labels is None else 0,
            reference_uw=self.costs.reference_uw,
        )

    def all_frames(self) -> None:
        """Run every frame of the traffic."""
        traffic, replay, result = self.replay.traffic, self.replay, self.result
        arrivals = traffic.arrivals_ns
        order = traffic.order
        disturbed = replay.disturbed_frames
        count, arrived = len(order), 0
        limit = replay._queue_limit
        for number in range(count):
            if number in disturbed:
                replay.disturb(self, number)
            backlog = 0
            if arrivals is None:
                arrival_ns = self.now_ns
            else:
                arrival_ns = arrivals[number]
                if arrival_ns > self.now_ns:
                    self.wait(arrival_ns)
                while arrived < count and arrivals[arrived] <= self.now_ns:
                    arrived += 1
                backlog = arrived - number - 1
                if backlog >= limit or (
                    replay._late == "drop"
                    and traffic.deadline_ns is not None
                    and self.now_ns - arrival_ns > traffic.deadline_ns
                ):
                    result.dropped += 1
                    result.missed.append(1)
                    continue
            self.infer(number, order[number], arrival_ns, backlog)
        if self.ticking is not None:
            self.ticking.idle_from(self.now_ns)
        result.wall_ns = self.now_ns

    def wait(self, until_ns: int) -> None:
        """Nothing to do: go to the point to wait at, and wait."""
        if self.ticking is not None:
            self.ticking.idle_from(self.now_ns)
        point = self.governor.idle_point()
        if point is not None and point is not self.asked:
            self.go(point)
        wait_ns = until_ns - self.now_ns
        if wait_ns > 0:
            self.result.gross_fj += self.costs.idle_uw[self.point.clock_khz] * wait_ns
            self.stay(wait_ns)
            self.now_ns = until_ns
        if self.ticking is not None:
            self.go(self.ticking.busy_from(self.now_ns))

    def infer(self, number: int, index: int, arrival_ns: int, backlog: int) -> None:
        """Run one frame, as `Engine.infer` does."""
        replay, governor, result = self.replay, self.governor, self.result
        frames, deadline_ns = replay.frames, replay.traffic.deadline_ns
        label = None if frames.labels is None else frames.labels[index]
        due_ns = None if deadline_ns is None else arrival_ns + deadline_ns
        frame = Frame(number, frames.scores[0][index], arrival_ns, due_ns, label)
        start_ns = self.now_ns
        switches = result.switches
        starts: list[int] = []
        ends: list[int] = []
        points: list[OperatingPoint] = []
        point = governor.first_point(frame, start_ns, backlog)
        if self.ratio_at is not None:
            self.change_ratio(point)
            frames = self.frames
        decisions = frames.decisions[index]
        last = len(decisions) - 1
        for stage, decision in enumerate(decisions):
            if point is not self.asked:
                self.go(point)
            starts.append(self.now_ns)
            points.append(self.point)
            self.spend(stage)
            ends.append(self.now_ns)
            if decision.leave or stage == last:
                break
            if self.leaves is not None and self.leaves(stage, decision):
                break
            said = StageResult(stage, frames.scores[stage][index], self.now_ns)
            if self.predicts and stage == 0:
                self.plan()
            point = governor.next_point(frame, said, decision)
        self.count(frame, stage, decision, arrival_ns)
        governor.learn(
            InferenceRecord(
                number, decision.answer, stage, decision.confidence, arrival_ns, start_ns,
                self.now_ns, tuple(starts), tuple(ends), tuple(points),
                result.switches - switches, 0, label, due_ns, self.ratio,
            )
        )  # fmt: skip

    def change_ratio(self, point: OperatingPoint) -> None:
        """Go to the point of a frame's first stage, and to its ratio there, as `Engine.infer`."""
        assert self.ratio_at is not None
        if point is not self.asked:
            self.go(point)
        ratio = self.ratio_at(self.point)
        if ratio != self.ratio:
            self.ratio = ratio
            self.frames, self.costs = self.replay.ratios[ratio]
            row = self.replay.ratio_switch[self.point]
            self.now_ns += row.time_ns
            self.result.gross_fj += row.energy_nj * 1_000_000
            self.result.ratio_switches += 1
            self.stay(row.time_ns)

    def count(self, frame: Frame, stage: int, decision: ExitDecision, arrival_ns: int) -> None:
        """Add a finished frame to the result."""
        result = self.result
        result.exits[stage] += 1
        result.ratios[self.ratio] = result.ratios.get(self.ratio, 0) + 1
        result.latency_ns.append(self.now_ns - arrival_ns)
        late = frame.deadline_ns is not None and self.now_ns > frame.deadline_ns
        result.late += late
        result.missed.append(late)
        if result.correct is not None:
            result.correct += int(decision.answer == frame.label)

    def go(self, point: OperatingPoint) -> None:
        """Change the operating point, at the cost of a change of clock if there is one."""
        self.asked = point
        khz = point.clock_khz
        if self.cap_khz is not None and khz > self.cap_khz:
            point = OperatingPoint(self.cap_khz, point.threads, point.level)
        if point.clock_khz != self.point.clock_khz:
            self.now_ns += self.costs.switch_ns
            self.result.gross_fj += self.costs.switch_fj
            self.result.switches += 1
            self.stay(self.costs.switch_ns)
        self.point = point

    def spend(self, stage: int) -> None:
        """Let the time and energy of a stage pass; a governor's tick may change the clock in it."""
        if self.ticking is not None:
            self.spend_ticking(stage, self.ticking)
            return
        if self.cap_khz is not None and self.point.clock_khz > self.cap_khz:
            self.go(self.asked)
        time_ns, power_uw = self.costs.spend[stage, self.point]
        self.now_ns += time_ns
        self.result.gross_fj += time_ns * power_uw
        self.stay(time_ns)

    def spend_ticking(self, stage: int, ticking: TickingGovernor) -> None:
        """Run a stage in pieces from tick to tick; the rest takes its share at the new clock."""
        left = 1.0
        while True:
            time_ns, power_uw = self.costs.spend[stage, self.point]
            piece_ns = max(1, round(left * time_ns))
            until_tick_ns = max(0, ticking.next_tick_ns - self.now_ns)
            done = piece_ns <= until_tick_ns
            if not done:
                piece_ns = until_tick_ns
            self.now_ns += piece_ns
            self.result.gross_fj += piece_ns * power_uw
            self.stay(piece_ns)
            if done:
                return
            left -= piece_ns / time_ns
            point = ticking.tick(self.now_ns)
            if point is not self.asked:
                self.go(point)

    def plan(self) -> None:
        """Let the time and energy of choosing a plan pass, on one thread."""
        single = OperatingPoint(self.point.clock_khz)
        plan_ns = round(self.costs.overhead_ns(single) * self.replay._plan_overheads)
        self.now_ns += plan_ns
        self.result.gross_fj += plan_ns * self.costs.spend[0, single][1]
        self.stay(plan_ns)

    def stay(self, time_ns: int) -> None:
        """Note time at the clock in force."""
        residency = self.result.residency_ns
        khz = self.point.clock_khz
        residency[khz] = residency.get(khz, 0) + time_ns
