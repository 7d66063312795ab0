"""What power samples amount to: joules, watts, gaps."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from edge_infer.boards.errors import MeterError
from edge_infer.boards.power import PowerSample, SampleFlag


@dataclass(frozen=True, slots=True)
class PowerSummary:
    """What a stretch of samples amounts to: energy, mean, extremes, what was lost.

    Energy is the trapezoid rule over the midpoints of the conversions, on monotonic time, from the
    first midpoint to the last; across a gap the line between its two ends counts.
    """

    samples: int
    lost: int
    saturated: int
    throttled: int
    bus_out_of_range: int
    duration_ns: int
    energy_nj: int
    least_uw: int
    greatest_uw: int
    longest_gap_ns: int
    """Longest time between two samples' midpoints."""

    @property
    def mean_uw(self) -> int:
        """Mean power over the time."""
        return self.energy_nj * 1_000_000 // self.duration_ns

    @property
    def rate_hz(self) -> float:
        """Samples a second."""
        return (self.samples - 1) * 1e9 / self.duration_ns


def summarise(samples: Sequence[PowerSample]) -> PowerSummary:
    """Return the figures of samples in time order. Raises MeterError for fewer than two."""
    if len(samples) < 2:
        raise MeterError(f"{len(samples)} samples make no summary; record for longer")
    # uW * ns is fJ; twice that, since both ends of a trapezoid count half.
    twice_fj = longest_ns = 0
    for before, after in pairwise(samples):
        step_ns = _midpoint_ns(after) - _midpoint_ns(before)
        twice_fj += (before.power_uw + after.power_uw) * step_ns
        longest_ns = max(longest_ns, step_ns)
    powers = [sample.power_uw for sample in samples]
    return PowerSummary(
        samples=len(samples),
        lost=samples[-1].seq - samples[0].seq + 1 - len(samples),
        saturated=sum(bool(sample.flags & SampleFlag.SATURATED) for sample in samples),
        throttled=sum(bool(sample.flags & SampleFlag.THROTTLED) for sample in samples),
        bus_out_of_range=sum(SampleFlag.BUS_RANGE in sample.flags for sample in samples),
        duration_ns=max(1, _midpoint_ns(samples[-1]) - _midpoint_ns(samples[0])),
        energy_nj=twice_fj // 2_000_000,
        least_uw=min(powers),
        greatest_uw=max(powers),
        longest_gap_ns=longest_ns,
    )


def _midpoint_ns(sample: PowerSample) -> int:
    return sample.timestamp_ns - sample.interval_ns // 2
