"""Replay: frames whose scores are known run through a governor on a board that is a cost table.

The same governors as on a board, called in the same order, in virtual time with an analytic meter:
stages take and draw what the table says, switches cost time and energy, waits cost idle power at
the clock waited at. So large comparisons need no interpreter.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from numpy.typing import NDArray

from edge_infer.boards.cost_table import CostRow, OperatingPoint
from edge_infer.boards.simulated.surroundings import OtherProcesses
from edge_infer.boards.simulated.truth import Jitter
from edge_infer.lab.baselines.kernel_governors import TickingGovernor
from edge_infer.lab.replay.costs import Disturbance, ReplayCosts
from edge_infer.lab.replay.result import ReplayResult
from edge_infer.lab.replay.scored_frames import ScoredFrames
from edge_infer.models_tflite.manifest import FULL_RATIO
from edge_infer.runtime.frame_loop import FrameLoop
from edge_infer.runtime.governors.governor import Governor
from edge_infer.runtime.records import ExitDecision, Frame


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
        self.late = late
        self.queue_limit = queue_limit
        self._disturbances = sorted(disturbances, key=lambda d: d.from_frame)
        self.plan_overheads = plan_overheads
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


class _Run(FrameLoop):
    """The state of one replay: a frame loop in virtual time, with an analytic meter."""

    def __init__(self, replay: Replay, governor: Governor, point: OperatingPoint) -> None:
        self.time_ns = 0
        truth, seed = replay.costs.truth, replay.costs.seed
        self._jitter = Jitter(truth, seed) if truth.jitters else None
        self._processes = OtherProcesses(truth, seed)
        super().__init__(governor, point, lambda: self.time_ns)
        self._asked = point
        self.replay = replay
        self.costs = replay.costs
        self.frames = replay.frames
        self.cap_khz: int | None = None
        self.gross_fj = 0.0
        self._ticking = governor if isinstance(governor, TickingGovernor) else None
        self._index = 0
        """Of the frame at hand among the scored ones."""
        self._decisions: Sequence[ExitDecision] = ()
        labels = replay.frames.labels
        self.result = ReplayResult(
            governor.name,
            len(replay.traffic.order),
            [0] * len(replay.frames.scores),
            None if labels is None else 0,
            reference_uw=self.costs.reference_uw,
            residency_ns=self.residency_ns,
        )

    def all_frames(self) -> None:
        """Run every frame of the traffic."""
        traffic, replay, result = self.replay.traffic, self.replay, self.result
        arrivals, order = traffic.arrivals_ns, traffic.order
        disturbed = replay.disturbed_frames
        count, arrived = len(order), 0
        for number in range(count):
            if number in disturbed:
                replay.disturb(self, number)
            backlog, arrival_ns = 0, self.time_ns
            if arrivals is not None:
                arrival_ns = arrivals[number]
                if arrival_ns > self.time_ns:
                    self._wait(arrival_ns)
                while arrived < count and arrivals[arrived] <= self.time_ns:
                    arrived += 1
                backlog = arrived - number - 1
                if self._dropped(arrival_ns, backlog):
                    result.dropped += 1
                    result.missed.append(1)
                    continue
            self._infer(number, order[number], arrival_ns, backlog)
        if self._ticking is not None:
            self._ticking.idle_from(self.time_ns)
        self._stay()
        result.wall_ns, result.gross_fj = self.time_ns, self.gross_fj
        result.switches, result.ratio_switches = self.switches, self.ratio_switches
        result.last_khz = self._in_force.clock_khz

    def _dropped(self, arrival_ns: int, backlog: int) -> bool:
        """Return True for a frame that newer ones pushed out, or that is late already."""
        replay, deadline_ns = self.replay, self.replay.traffic.deadline_ns
        late = deadline_ns is not None and self.time_ns - arrival_ns > deadline_ns
        return backlog >= replay.queue_limit or (replay.late == "drop" and late)

    def _wait(self, until_ns: int) -> None:
        """Nothing to do: go to the point to wait at, and wait."""
        if self._ticking is not None:
            self._ticking.idle_from(self.time_ns)
        self._rest()
        wait_ns = until_ns - self.time_ns
        if wait_ns > 0:
            self.gross_fj += self.costs.idle_uw[self._in_force.clock_khz] * wait_ns
            self.time_ns = until_ns
        if self._ticking is not None:
            self._go(self._ticking.busy_from(self.time_ns))

    def _infer(self, number: int, index: int, arrival_ns: int, backlog: int) -> None:
        """Run one frame, and count it."""
        frames, deadline_ns, result = (
            self.replay.frames,
            self.replay.traffic.deadline_ns,
            self.result,
        )
        self._index, self._decisions = index, self.frames.decisions[index]
        label = None if frames.labels is None else frames.labels[index]
        due_ns = None if deadline_ns is None else arrival_ns + deadline_ns
        frame = Frame(number, frames.scores[0][index], arrival_ns, due_ns, label)
        record = self._pass(frame, backlog)
        result.exits[record.exit] += 1
        result.ratios[self.ratio] = result.ratios.get(self.ratio, 0) + 1
        result.latency_ns.append(self.time_ns - arrival_ns)
        late = due_ns is not None and self.time_ns > due_ns
        result.late += late
        result.missed.append(late)
        if result.correct is not None:
            result.correct += int(record.answer == label)
        self.governor.learn(record)

    def _run_stage(self, index: int, frame: Frame, begin_ns: int) -> ExitDecision:
        """Let the time and energy of a stage pass; what was scored before is its decision."""
        if self._ticking is not None:
            self._spend_ticking(index, self._ticking)
        else:
            if self.cap_khz is not None and self._in_force.clock_khz > self.cap_khz:
                self._cap(self.cap_khz)
            time_ns, power_uw = self.costs.spend[index, self._in_force]
            if self._jitter is not None:
                time_ns = self._jitter.time_ns(time_ns * self._slowdown())
            self.time_ns += time_ns
            self.gross_fj += time_ns * power_uw
        return self._decisions[index]

    def _slowdown(self) -> float:
        """Return what other processes make of a stage that begins now."""
        if not self._processes.pass_until(self.time_ns):
            return 1.0
        return self.costs.truth.slowdown(self._in_force.threads, self.costs.cores)

    def _scores(self, index: int, frame: Frame) -> NDArray[Any]:
        """Return the scores of the frame at a stage, at the ratio in force."""
        scores: NDArray[Any] = self.frames.scores[index][self._index]
        return scores

    def _set_khz(self, khz: int) -> int:
        """Change the clock, as far as the board gives it, at the cost of a change."""
        if self.cap_khz is not None and khz > self.cap_khz:
            khz = self.cap_khz
        if khz != self._in_force.clock_khz:
            self.time_ns += self.costs.switch_ns
            self.gross_fj += self.costs.switch_fj
        return khz

    def _cap(self, cap_khz: int) -> None:
        """Take a clock away that was given until now."""
        khz = self._set_khz(cap_khz)
        self._stay()
        self._in_force = replace(self._in_force, clock_khz=khz)
        self.switches += 1

    def _set_ratio(self, ratio: str) -> None:
        """Go over to another ratio's scores and costs, at the cost of a change."""
        self.ratio = ratio
        self.frames, self.costs = self.replay.ratios[ratio]
        self._decisions = self.frames.decisions[self._index]
        row = self.replay.ratio_switch[self._in_force]
        self.time_ns += row.time_ns
        self.gross_fj += row.energy_nj * 1_000_000
        self.ratio_switches += 1

    def _spend_ticking(self, stage: int, ticking: TickingGovernor) -> None:
        """Run a stage in pieces from tick to tick; the rest takes its share at the new clock."""
        left, slower = 1.0, 1.0
        if self._jitter is not None:
            mean_ns = self.costs.spend[stage, self._in_force][0]
            slower = self._jitter.time_ns(mean_ns * self._slowdown()) / mean_ns
        while True:
            time_ns, power_uw = self.costs.spend[stage, self._in_force]
            time_ns = round(time_ns * slower)
            piece_ns = max(1, round(left * time_ns))
            until_tick_ns = max(0, ticking.next_tick_ns - self.time_ns)
            done = piece_ns <= until_tick_ns
            if not done:
                piece_ns = until_tick_ns
            self.time_ns += piece_ns
            self.gross_fj += piece_ns * power_uw
            if done:
                return
            left -= piece_ns / time_ns
            point = ticking.tick(self.time_ns)
            if point is not self._asked:
                self._go(point)

    def _predicted(self) -> None:
        """Let the time and energy of choosing a plan pass, on one thread."""
        single = OperatingPoint(self._in_force.clock_khz)
        plan_ns = round(self.costs.overhead_ns(single) * self.replay.plan_overheads)
        self.time_ns += plan_ns
        self.gross_fj += plan_ns * self.costs.spend[0, single][1]
