"""Power over time out of a meter's samples, and how it lies beside a run."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from edge_infer.boards.errors import DamagedTraceError, MeterError, TraceError
from edge_infer.boards.power import UNUSABLE, PowerSample, SampleFlag
from edge_infer.boards.power_csv import read_power_log
from edge_infer.lab.report.run_tally import RunTally
from edge_infer.lab.report.thinned import Thinned

POINTS = 480
"""Steps of a power line that a page has at least, where so many samples came."""


class PowerSpan(NamedTuple):
    """Neighbouring samples, of which a page shows mean, least and greatest."""

    begin_ns: int
    end_ns: int
    covered_ns: int
    """Of the samples; less where conversions were lost."""
    energy_fj: int
    """Over what is covered: uW times ns."""
    least_uw: int
    greatest_uw: int

    @property
    def mean_uw(self) -> float:
        """Over what is covered."""
        return self.energy_fj / self.covered_ns

    def and_next(self, later: "PowerSpan") -> "PowerSpan":
        """Return both as one."""
        return PowerSpan(
            self.begin_ns,
            later.end_ns,
            self.covered_ns + later.covered_ns,
            self.energy_fj + later.energy_fj,
            min(self.least_uw, later.least_uw),
            max(self.greatest_uw, later.greatest_uw),
        )


@dataclass
class PowerLine:
    """Samples, counted one by one in bounded memory."""

    name: str
    origin: str
    left_out: str | None = None
    """What of a log was no whole line."""
    samples: int = 0
    unusable: int = 0
    """Saturated, or of a bus voltage that no board runs on: not drawn."""
    throttled: int = 0
    lost: int = 0
    line: Thinned[PowerSpan] = field(default_factory=lambda: Thinned(POINTS, PowerSpan.and_next))
    covered_ns: int = 0
    energy_fj: int = 0
    _last_seq: int | None = None

    def add(self, samples: Iterable[PowerSample]) -> None:
        """Take samples, in order."""
        for sample in samples:
            self.samples += 1
            if self._last_seq is not None:
                self.lost += max(0, sample.seq - self._last_seq - 1)
            self._last_seq = sample.seq
            self.throttled += SampleFlag.THROTTLED in sample.flags
            if sample.flags & UNUSABLE:
                self.unusable += 1
                continue
            self._draw(sample)

    def _draw(self, sample: PowerSample) -> None:
        power_uw, interval_ns = sample.power_uw, sample.interval_ns
        begin_ns, energy_fj = sample.timestamp_ns - interval_ns, power_uw * interval_ns
        self.covered_ns += interval_ns
        self.energy_fj += energy_fj
        self.line.add(
            PowerSpan(begin_ns, sample.timestamp_ns, interval_ns, energy_fj, power_uw, power_uw)
        )

    @property
    def span_ns(self) -> tuple[int, int] | None:
        """From when to when it goes; None without a usable sample."""
        parts = self.line.parts
        return (parts[0].begin_ns, parts[-1].end_ns) if parts else None

    @property
    def mean_uw(self) -> float | None:
        """Over what the samples cover."""
        return self.energy_fj / self.covered_ns if self.covered_ns else None


def read_power_line(path: Path) -> PowerLine:
    """Return the power in a log of `power record` or `power stream`, up to what is whole.

    Raises:
        TraceError: it is packed.
        DamagedTraceError: no sample of it can be read.
    """
    try:
        log = read_power_log(path, up_to_cut=True)
    except TraceError:
        raise
    except MeterError as error:
        raise DamagedTraceError(str(error)) from None
    line = PowerLine(str(path), log.origin, log.left_out)
    line.add(log.samples)
    if line.span_ns is None:
        raise DamagedTraceError(f"{path}: all {line.samples} samples are saturated or off scale")
    return line


def check_same_time(power: PowerLine, run: RunTally, run_name: str) -> None:
    """Refuse power of another time than the run's. Raises TraceError with both."""
    assert power.span_ns is not None
    begin_ns, end_ns = power.span_ns
    if begin_ns < run.end_ns and end_ns > run.begin_ns:
        return
    raise TraceError(
        f"{power.name} goes from {begin_ns / 1e9:.3f} to {end_ns / 1e9:.3f} s of its clock, "
        f"{run_name} from {run.begin_ns / 1e9:.3f} to {run.end_ns / 1e9:.3f} s: they have no time "
        "in common; record power on the same board while the run runs"
    )


def covered_share(power: PowerLine, run: RunTally) -> float:
    """Return the share of the run's time that lies within the power's, 0 to 1."""
    assert power.span_ns is not None
    begin_ns, end_ns = power.span_ns
    whole_ns = max(1, run.end_ns - run.begin_ns)
    return max(0, min(end_ns, run.end_ns) - max(begin_ns, run.begin_ns)) / whole_ns
