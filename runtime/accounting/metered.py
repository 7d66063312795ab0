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
from dataclasses import dataclass

from edge_infer.boards.cost_table import CostTable, OperatingPoint
from edge_infer.boards.errors import BusError
from edge_infer.boards.power import UNUSABLE, PowerMeter, PowerSample
from edge_infer.runtime.accounting.account import EnergyTotals, IdleReference
from edge_infer.runtime.accounting.activity_power import Activity, ActivityPower
from edge_infer.runtime.records import InferenceEnergy, InferenceRecord

CONFIDENCE_FACTOR = 2.0
"""Standard errors in a half width: about 95 % for a normal error."""


@dataclass(slots=True)
class Span:
    """A stretch of time in which one thing happened."""

    start_ns: int
    end_ns: int
    activity: Activity
    record: InferenceRecord | None
    """The inference it belongs to, None while waiting."""


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
        self._idle = idle
        self._start_ns = self._covered_ns = start_ns
        self._powers = ActivityPower(table, stages, idle.power_uw)
        self._idle_khz = idle_khz
        self._until_ns = start_ns
        self._spans: deque[Span] = deque()
        self._open: deque[InferenceRecord] = deque()
        self._residual_uw: float | None = None
        self._pending: deque[PowerSample] = deque()
        self._gross_nj = 0.0
        self._inference_nj = 0.0
        self._apportioned_nj = 0.0
        self._samples = 0
        self._saturated = 0
        self._squares_of_steps = 0.0
        self._seen: dict[Activity, float] = {}
        self._ran_ns: dict[Activity, int] = {}
        self._failed = False

    def add(self, record: InferenceRecord) -> None:
        """Take up a finished inference; its energy stays None until `drain` returns it."""
        self._wait(record.start_ns)
        record.energy = InferenceEnergy(self._meter.origin, 0, 0, 0, 0.0)
        at_ns = record.start_ns
        for stage, (start_ns, end_ns, point) in enumerate(
            zip(record.stage_start_ns, record.stage_end_ns, record.points, strict=True)
        ):
            if start_ns > at_ns:
                self._span(at_ns, start_ns, Activity("switch", point), record)
            self._span(start_ns, end_ns, Activity(stage, point, record.ratio), record)
            at_ns = end_ns
        if record.end_ns > at_ns:
            self._span(at_ns, record.end_ns, Activity("idle", record.points[-1]), record)
        self._idle_khz = record.points[-1].clock_khz
        self._until_ns = record.end_ns
        self._open.append(record)

    def waited(self, until_ns: int, clock_khz: int) -> None:
        """Note that nothing ran until `until_ns`, from now on at `clock_khz`."""
        self._wait(until_ns)
        self._idle_khz = clock_khz

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
        while self._pending and self._pending[0].timestamp_ns <= self._until_ns:
            self._take(self._pending.popleft())
        return self._covered()

    def close(self, end_ns: int) -> list[InferenceRecord]:
        """Cover what is left up to `end_ns` with the last sample's residual.

        After a meter that failed, what it did not cover stays without energy.
        """
        if self._failed:
            return self._without_energy()
        self._wait(end_ns)
        done = self.drain(end_ns)
        if end_ns > self._covered_ns:
            self._cover(end_ns, self._residual_uw or 0.0)
        return done + self._covered()

    def totals(self) -> EnergyTotals:
        """Return the board's energy so far, with its uncertainty."""
        wall_s = (self._covered_ns - self._start_ns) / 1e9
        gross_nj = round(self._gross_nj)
        gain = self._meter.gain_uncertainty_ppm / 1e6
        mean_uw = CONFIDENCE_FACTOR * self._mean_error_uw()
        idle_uw = CONFIDENCE_FACTOR * self._idle.standard_error_uw
        resolution_uw = self._meter.resolution_uw
        net_nj = gross_nj - self._idle.power_uw * wall_s * 1e3
        gross_error_uw = self._meter.offset_uncertainty_uw + resolution_uw + mean_uw
        # The same meter read the idle reference: its offset cancels, its gain scales the net.
        net_error_uw = 2 * resolution_uw + math.hypot(mean_uw, idle_uw)
        statistics = self._meter.statistics()
        return EnergyTotals(
            origin=self._meter.origin,
            start_ns=self._start_ns,
            end_ns=self._covered_ns,
            gross_nj=gross_nj,
            idle_reference=self._idle,
            gross_uncertainty_nj=math.ceil(gain * gross_nj + gross_error_uw * wall_s * 1e3),
            net_uncertainty_nj=math.ceil(gain * abs(net_nj) + net_error_uw * wall_s * 1e3),
            apportioned_share=self._apportioned_nj / self._inference_nj
            if self._inference_nj
            else 0.0,
            samples=self._samples,
            lost=statistics.lost,
            saturated=self._saturated,
            sampler_busy_ns=statistics.busy_ns,
        )

    # -- spans ---------------------------------------------------------------------------------

    def _wait(self, until_ns: int) -> None:
        if until_ns > self._until_ns:
            idle = Activity("idle", OperatingPoint(self._idle_khz))
            self._span(self._until_ns, until_ns, idle, None)
            self._until_ns = until_ns

    def _span(
        self, start_ns: int, end_ns: int, activity: Activity, record: InferenceRecord | None
    ) -> None:
        self._spans.append(Span(start_ns, end_ns, activity, record))

    # -- samples -------------------------------------------------------------------------------

    def _take(self, sample: PowerSample) -> None:
        middle_ns = sample.timestamp_ns - sample.interval_ns // 2
        shares = self._shares(sample)
        residual_uw = self._powers.residual(shares, sample.power_uw)
        before_uw = self._residual_uw
        self._residual_uw = residual_uw
        if middle_ns <= self._covered_ns:
            return
        self._samples += 1
        if sample.flags & UNUSABLE:
            self._saturated += 1
        else:
            self._powers.learn(shares, sample.power_uw)
        for activity, share in shares.items():
            self._seen[activity] = self._seen.get(activity, 0.0) + share
        if before_uw is None:
            before_uw = residual_uw
        self._squares_of_steps += (residual_uw - before_uw) ** 2
        self._cover(middle_ns, (before_uw + residual_uw) / 2)

    def _shares(self, sample: PowerSample) -> dict[Activity, float]:
        """Return the share of the conversion that each activity filled."""
        start_ns, end_ns = sample.timestamp_ns - sample.interval_ns, sample.timestamp_ns
        shares: dict[Activity, float] = {}
        for span in self._spans:
            if span.start_ns >= end_ns:
                break
            overlap_ns = min(span.end_ns, end_ns) - max(span.start_ns, start_ns)
            if overlap_ns > 0:
                activity = span.activity
                shares[activity] = shares.get(activity, 0.0) + overlap_ns / sample.interval_ns
        return shares

    def _cover(self, until_ns: int, residual_uw: float) -> None:
        """Give the spans up to `until_ns` their expected power and `residual_uw` beside it."""
        from_ns, self._covered_ns = self._covered_ns, until_ns
        whole = not self._spans or self._spans[0].end_ns >= until_ns
        while self._spans:
            span = self._spans[0]
            overlap_ns = min(span.end_ns, until_ns) - max(span.start_ns, from_ns)
            if overlap_ns > 0:
                self._give(span, overlap_ns, residual_uw, whole)
            if span.end_ns > until_ns:
                break
            self._spans.popleft()

    def _give(self, span: Span, overlap_ns: int, residual_uw: float, whole: bool) -> None:
        activity = span.activity
        nj = (self._powers[activity] + residual_uw) * overlap_ns / 1e6
        self._gross_nj += nj
        self._ran_ns[activity] = self._ran_ns.get(activity, 0) + overlap_ns
        energy = span.record.energy if span.record else None
        if energy is None:
            return
        energy.gross_nj += round(nj)
        self._inference_nj += nj
        if not whole:
            energy.apportioned_share += nj
            self._apportioned_nj += nj

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
        energy.net_nj = energy.gross_nj - self._idle.power_uw * busy_ns // 1_000_000
        if energy.gross_nj:
            energy.apportioned_share = min(1.0, energy.apportioned_share / energy.gross_nj)
        energy.uncertainty_nj = self._uncertainty_nj(record, energy)
        return record

    def _uncertainty_nj(self, record: InferenceRecord, energy: InferenceEnergy) -> int:
        """Gain on the net, resolution and idle over the window, and what the split may miss.

        The split of one inference is uncertain by its activities' powers and by the scatter of
        single samples about the fit.
        """
        gain_nj = self._meter.gain_uncertainty_ppm / 1e6 * abs(energy.net_nj)
        steady_uw = 2 * self._meter.resolution_uw + CONFIDENCE_FACTOR * self._idle.standard_error_uw
        scatter_uw = CONFIDENCE_FACTOR * self._powers.residual_uw * energy.apportioned_share
        split_fj = 0.0
        for stage, point in enumerate(record.points):
            stage_ns = record.stage_end_ns[stage] - record.stage_start_ns[stage]
            split_fj += self._powers.deviation_uw(Activity(stage, point, record.ratio)) * stage_ns
        split_nj = CONFIDENCE_FACTOR * energy.apportioned_share * split_fj / 1e6
        return math.ceil(gain_nj + split_nj + (steady_uw + scatter_uw) * record.busy_ns / 1e6)

    def _mean_error_uw(self) -> float:
        """Standard error of the mean power: the samples' scatter, and what the meter did not see.

        Half the mean square step between neighbouring residuals is the variance of one about a
        slowly moving mean (von Neumann's successive difference), without a drift being taken for
        noise. Where the mix that was seen differs from the mix that ran, the difference carries
        the error of the learned powers.
        """
        if self._samples < 2:
            return float(self._powers.idle_uw)
        scatter_uw = math.sqrt(self._squares_of_steps / 2) / self._samples
        wall_ns = self._covered_ns - self._start_ns
        unseen = {
            activity: ns / wall_ns - self._seen.get(activity, 0.0) / self._samples
            for activity, ns in self._ran_ns.items()
        }
        return math.hypot(scatter_uw, self._powers.mean_error_uw(unseen))
