"""Energy per inference out of a meter that is slower than an inference.

An INA219 gives a mean over about half a millisecond, every millisecond; an inference may take
50 us. So the power of each activity (a stage at an operating point, waiting at a clock) is
learned from the samples, each of which is the time-weighted mean of what ran during its
conversion, with the cost table as the prior; a wrong row fades out. The board's power is then

    expected power of what ran  +  the samples' residuals, joined by straight lines (trapezoid)

which is a trapezoid of the samples wherever one activity fills an interval, and does not mistake
the mix that a conversion happened to see for the mix that ran while the meter was busy with the
bus voltage, read late, or lost. (It is the regression estimator of survey sampling: Cochran,
Sampling Techniques, 3rd ed. 1977, chapter 7.) Each inference gets the part of its own time, so
the parts always add up to the board's energy.
"""

import math
from collections import deque
from collections.abc import Sequence

from edge_infer.boards.cost_table import CostTable
from edge_infer.boards.errors import BusError
from edge_infer.boards.power import UNUSABLE, PowerMeter, PowerSample
from edge_infer.runtime.accounting.account import EnergyTotals, IdleReference
from edge_infer.runtime.accounting.activity_power import Activity, ActivityPower
from edge_infer.runtime.accounting.idle_time import IdleTime
from edge_infer.runtime.accounting.seen_mix import SeenMix, whole
from edge_infer.runtime.accounting.timeline import Span, Timeline
from edge_infer.runtime.accounting.uncertainty import MeterBounds, half_width_nj, step_variance
from edge_infer.runtime.records import InferenceEnergy, InferenceRecord

LEARNING = 1.5
"""Variance of a learned power's mean over a run by that at its end: 2, the integral of ln^2, if it
were used from the first sample on; 1 if it were used at the end alone."""
HOLD_NS, HOLD_RECORDS = 1_000_000_000, 4096
"""Time and inferences, at most, that powers are learned from before any energy is given: else a
table that is off, or another process in the first ten samples, stays in the first records."""
WAITING = -1
"""Stands for an exit where no inference runs."""


class MeteredAccount:
    """Splits a meter's energy over inferences. Feed it records in time order, then `drain`."""

    def __init__(
        self,
        meter: PowerMeter,
        idle: IdleReference,
        start_ns: int,
        table: CostTable | None,
        stages: Sequence[str],
        idle_khz: int,
    ) -> None:
        self._meter = meter
        self._bounds = MeterBounds(meter)
        self._idle = IdleTime(idle)
        self._start_ns = self._covered_ns = start_ns
        self._powers = ActivityPower(table, stages, idle.power_uw)
        self._timeline = Timeline(start_ns, idle_khz)
        self._open: deque[InferenceRecord] = deque()
        self._residual_uw: float | None = None
        self._pending: deque[PowerSample] = deque()
        self._held: deque[tuple[PowerSample, dict[Activity, float]]] = deque()
        """Samples learned from whose energy is not given yet."""
        self._gross_nj = 0.0
        self._inference_nj = 0.0
        self._apportioned_nj = 0.0
        self._samples = 0
        self._saturated = 0
        self._shares: dict[Activity, float] = {}
        """Of the last sample."""
        self._mixes: dict[int, SeenMix] = {WAITING: SeenMix()}
        """By exit."""
        self._counts: dict[int, int] = {}
        self._net_nj: dict[int, int] = {}
        self._supply = SeenMix()
        self._scatter: dict[int, float] = {}
        """Of open records by number: sum of samples' variances times squared times."""
        self._failed = False

    def add(self, record: InferenceRecord) -> None:
        """Take up a finished inference; its energy stays None until `drain` returns it."""
        record.energy = InferenceEnergy(self._meter.origin, 0, 0, 0, 0.0)
        self._timeline.add(record)
        if record.exit not in self._mixes:
            self._mixes[record.exit] = SeenMix()
        self._open.append(record)

    def waited(self, until_ns: int, clock_khz: int) -> None:
        """Note that nothing ran until `until_ns`, from now on at `clock_khz`."""
        self._timeline.wait(until_ns, clock_khz)

    def drain(self, until_ns: int) -> list[InferenceRecord]:
        """Read the meter up to `until_ns` and return the records that are now covered.

        Raises:
            BusError: the meter's bus failed for good.
        """
        try:
            self._pending.extend(self._meter.drain(until_ns))
        except BusError:
            self._failed = True
            raise
        while self._pending and self._pending[0].timestamp_ns <= self._timeline.until_ns:
            self._learn(self._pending.popleft())
        if self._powers.solved:
            self._give_held()
        return self._covered()

    def close(self, end_ns: int) -> list[InferenceRecord]:
        """Cover what is left up to `end_ns` with the last sample's residual.

        After a meter that failed, what it did not cover stays without energy.
        """
        if self._failed:
            self._give_held()
            return self._covered() + self._without_energy()
        self._timeline.wait(end_ns)
        done = self.drain(end_ns)
        self._give_held()
        if end_ns > self._covered_ns:
            residual_uw = self._residual_uw or 0.0
            self._cover(end_ns, residual_uw, residual_uw, list(self._shares.items()))
        return done + self._covered()

    def totals(self) -> EnergyTotals:
        """Return the board's energy so far, with its uncertainty."""
        wall_ns = self._covered_ns - self._start_ns
        reference = self._idle.reference
        mean_uw = self._mean_error_uw(whole(self._mixes.values(), self._supply))
        gross_error_nj = self._bounds.gross_error_nj(self._gross_nj, wall_ns, mean_uw)
        net_nj = self._gross_nj - reference.power_uw * wall_ns / 1e6
        other_uw = self._idle.net_error_uw(wall_ns, mean_uw)
        statistics = self._meter.statistics()
        return EnergyTotals(
            origin=self._meter.origin,
            start_ns=self._start_ns,
            end_ns=self._covered_ns,
            gross_nj=round(self._gross_nj),
            idle_reference=reference,
            gross_uncertainty_nj=half_width_nj(gross_error_nj),
            net_uncertainty_nj=half_width_nj(self._bounds.net_error_nj(net_nj, wall_ns, other_uw)),
            apportioned_share=self._apportioned_nj / self._inference_nj
            if self._inference_nj
            else 0.0,
            samples=self._samples,
            lost=statistics.lost,
            saturated=self._saturated,
            sampler_busy_ns=statistics.busy_ns,
            exit_uncertainty_nj={exit_: self._exit_half_width_nj(exit_) for exit_ in self._counts},
        )

    def _learn(self, sample: PowerSample) -> None:
        shares = self._timeline.shares(sample)
        self._held.append((sample, shares))
        if not sample.flags & UNUSABLE:
            self._powers.learn(shares, sample.power_uw)
        long = sample.timestamp_ns - self._start_ns >= HOLD_NS or len(self._open) >= HOLD_RECORDS
        if not self._powers.solved and long:
            self._powers.solve()

    def _give_held(self) -> None:
        if not self._powers.solved:
            self._powers.solve()
        while self._held:
            self._take(*self._held.popleft())

    def _take(self, sample: PowerSample, shares: dict[Activity, float]) -> None:
        """Give energy to what ran up to the middle of a sample."""
        middle_ns = sample.timestamp_ns - sample.interval_ns // 2
        residual_uw = self._powers.residual(shares, sample.power_uw)
        before_uw = self._residual_uw
        self._residual_uw = residual_uw
        if middle_ns <= self._covered_ns:
            return
        self._samples += 1
        self._saturated += bool(sample.flags & UNUSABLE)
        if before_uw is None:
            before_uw, self._shares = residual_uw, shares
        seen = [
            (activity, share / 2) for activity, share in (*self._shares.items(), *shares.items())
        ]
        self._shares = shares
        self._cover(middle_ns, before_uw, residual_uw, seen, sample.interval_ns)

    def _cover(
        self,
        until_ns: int,
        before_uw: float,
        after_uw: float,
        seen: Sequence[tuple[Activity, float]],
        interval_ns: int = 0,
    ) -> None:
        """Give the spans up to `until_ns` their expected power, and a residual beside it.

        It goes in a straight line from `before_uw` to `after_uw`, of which conversions filled
        `interval_ns`.
        """
        from_ns, self._covered_ns = self._covered_ns, until_ns
        variance_uw2 = step_variance(
            after_uw - before_uw, self._powers.noise_uw, interval_ns / (until_ns - from_ns)
        )
        self._supply.scatter(until_ns - from_ns, variance_uw2)
        slope = (after_uw - before_uw) / (until_ns - from_ns)
        whole = self._timeline.one_span_until(until_ns)
        parts_ns: dict[int, int] = {}
        for span, begin_ns, end_ns in self._timeline.taken(from_ns, until_ns):
            residual_uw = before_uw + slope * ((begin_ns + end_ns) / 2 - from_ns)
            nj = self._give(span, end_ns - begin_ns, residual_uw, whole)
            self._note(span, end_ns - begin_ns, nj, variance_uw2)
            exit_ = WAITING if span.record is None else span.record.exit
            parts_ns[exit_] = parts_ns.get(exit_, 0) + end_ns - begin_ns
        for exit_, ns in parts_ns.items():
            self._mixes[exit_].see(ns, seen, variance_uw2)

    def _note(self, span: Span, ns: int, nj: float, variance_uw2: float) -> None:
        """Count what the uncertainty of a part of a span needs."""
        record = span.record
        self._mixes[WAITING if record is None else record.exit].run(span.activity, ns)
        if record is None:
            self._idle.wait(ns, span.activity.point.clock_khz, nj, variance_uw2)
            return
        own = variance_uw2 * ns**2
        self._scatter[record.number] = self._scatter.get(record.number, 0.0) + own

    def _give(self, span: Span, overlap_ns: int, residual_uw: float, whole: bool) -> float:
        """Give a part of a span its energy, and return it."""
        nj = (self._powers[span.activity] + residual_uw) * overlap_ns / 1e6
        self._gross_nj += nj
        energy = span.record.energy if span.record else None
        if energy is None:
            return nj
        energy.gross_nj += round(nj)
        self._inference_nj += nj
        if not whole:
            energy.apportioned_share += nj
            self._apportioned_nj += nj
        return nj

    def _covered(self) -> list[InferenceRecord]:
        done: list[InferenceRecord] = []
        while self._open and self._open[0].end_ns <= self._covered_ns:
            done.append(self._finish(self._open.popleft()))
        return done

    def _without_energy(self) -> list[InferenceRecord]:
        left = list(self._open)
        self._open.clear()
        for record in left:
            record.energy = None
        return left

    def _finish(self, record: InferenceRecord) -> InferenceRecord:
        energy = record.energy
        assert energy is not None  # add() made it
        busy_ns = record.busy_ns
        energy.net_nj = energy.gross_nj - self._idle.reference.power_uw * busy_ns // 1_000_000
        if energy.gross_nj:
            energy.apportioned_share = min(1.0, energy.apportioned_share / energy.gross_nj)
        energy.uncertainty_nj = self._uncertainty_nj(record, energy)
        exit_ = record.exit
        self._counts[exit_] = self._counts.get(exit_, 0) + 1
        self._net_nj[exit_] = self._net_nj.get(exit_, 0) + energy.net_nj
        return record

    def _uncertainty_nj(self, record: InferenceRecord, energy: InferenceEnergy) -> int:
        """Return the half width of one inference's net energy.

        Where it was split, it is uncertain by its activities' powers, and by how far single
        samples are from the fit: that much its own power may be from its activities'.
        """
        split_fj = 0.0
        for stage, point in enumerate(record.points):
            stage_ns = record.stage_end_ns[stage] - record.stage_start_ns[stage]
            split_fj += self._powers.deviation_uw(Activity(stage, point, record.ratio)) * stage_ns
        busy_ns = record.busy_ns
        own_uw = math.hypot(self._powers.residual_uw, split_fj / max(1, busy_ns))
        own_uw *= energy.apportioned_share
        seen_uw = math.sqrt(self._scatter.pop(record.number, 0.0)) / max(1, busy_ns)
        own_uw = math.hypot(own_uw, seen_uw, self._idle.reference.standard_error_uw)
        return half_width_nj(self._bounds.net_error_nj(energy.net_nj, busy_ns, own_uw))

    def _exit_half_width_nj(self, exit_: int) -> int:
        """Return the half width of the mean net energy of the inferences that left at an exit."""
        mix, count = self._mixes[exit_], self._counts[exit_]
        idle_uw = self._idle.reference.standard_error_uw
        mean_uw = math.hypot(self._mean_error_uw(mix), idle_uw)
        error_nj = self._bounds.net_error_nj(self._net_nj[exit_], mix.total_ns, mean_uw)
        return half_width_nj(error_nj / count)

    def _mean_error_uw(self, mix: SeenMix) -> float:
        """Standard error of a mean power: the samples' scatter, and what the meter did not see.

        Where the mix that was seen differs from the mix that ran, the difference carries the error
        of the learned powers.
        """
        if self._samples < 2 or not mix.total_ns:
            return float(self._powers.idle_uw)
        unseen_uw = self._powers.mean_error_uw(mix.unseen())
        return math.hypot(mix.scatter_uw, math.sqrt(LEARNING) * unseen_uw)
