"""The contract of energy accounting, and the figures that it ends in.

Gross is the integral of the board's power; net is gross minus the idle reference over the same
wall time. One idle reference stands for all policies. Figures are nJ inside.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Protocol

from edge_infer.boards.contract import Board
from edge_infer.boards.power import Origin, PowerMeter
from edge_infer.runtime.accounting.uncertainty import MEDIAN_TO_DEVIATION, step_variance
from edge_infer.runtime.records import InferenceRecord


@dataclass(frozen=True, slots=True)
class IdleReference:
    """The board's power with the interpreter loaded and no frames, at its lowest clock."""

    power_uw: int
    standard_error_uw: int
    clock_khz: int = 0
    """At which it was measured; 0 where that is not known."""
    time_ns: int = 0
    """How long it was measured."""


@dataclass(frozen=True, slots=True)
class EnergyTotals:
    """The board's energy over a run, waits included."""

    origin: Origin
    start_ns: int
    end_ns: int
    gross_nj: int
    idle_reference: IdleReference
    gross_uncertainty_nj: int | None
    """Half width at about 95 %; None where nothing bounds it (a model without a meter)."""
    net_uncertainty_nj: int | None
    apportioned_share: float
    """Share of the inferences' gross energy that was split, not measured whole: 0 to 1."""
    samples: int
    lost: int
    saturated: int
    sampler_busy_ns: int
    exit_uncertainty_nj: Mapping[int, int] = field(default_factory=dict)
    """Half width at about 95 % of the mean net energy of the inferences that left at an exit."""

    @property
    def wall_ns(self) -> int:
        """Length of the run."""
        return self.end_ns - self.start_ns

    @property
    def net_nj(self) -> int:
        """Gross minus the idle reference over the whole run, waits included."""
        return self.gross_nj - self.idle_reference.power_uw * self.wall_ns // 1_000_000


class Account(Protocol):
    """Gives records their energy."""

    def add(self, record: InferenceRecord) -> None:
        """Take up a finished inference; records come in time order."""
        ...

    def waited(self, until_ns: int, clock_khz: int) -> None:
        """Note that nothing ran until `until_ns`, and from then on at `clock_khz`."""
        ...

    def drain(self, until_ns: int) -> Sequence[InferenceRecord]:
        """Return the records whose energy is now known, in order.

        Raises:
            BusError: the meter's bus failed for good.
        """
        ...

    def close(self, end_ns: int) -> Sequence[InferenceRecord]:
        """End at `end_ns` and return the records still open."""
        ...

    def totals(self) -> EnergyTotals | None:
        """Return the board's energy so far; None where nothing is known of it."""
        ...


def measure_idle(board: Board, meter: PowerMeter, duration_ns: int) -> IdleReference:
    """Measure the idle reference: lowest clock, nothing to do, for `duration_ns`.

    Raises:
        BusError: the meter's bus failed.
    """
    clock = board.clock
    clock.set_khz(clock.supported_khz()[0])
    start_ns = board.timebase.now_ns()
    board.timebase.sleep_until_ns(start_ns + duration_ns)
    drained = meter.drain(start_ns + duration_ns)
    powers = [s.power_uw for s in drained if s.timestamp_ns - s.interval_ns >= start_ns]
    if len(powers) < 2:
        table = board.cost_table(())
        return IdleReference(table.idle_reference_uw if table else 0, 0)
    mean = math.fsum(powers) / len(powers)
    steps = [after - before for before, after in pairwise(powers)]
    median_uw = sorted(map(abs, steps))[len(steps) // 2]
    noise_uw = MEDIAN_TO_DEVIATION * median_uw / math.sqrt(2)
    seen = math.fsum(s.interval_ns for s in drained) / duration_ns
    variance = math.fsum(step_variance(step, noise_uw, seen) for step in steps) / len(steps)
    error_uw = math.ceil(math.sqrt(variance / len(powers)))
    return IdleReference(round(mean), error_uw, clock.current_khz(), duration_ns)


class UnmeteredAccount:
    """No meter and no cost table: records keep no energy."""

    def __init__(self) -> None:
        self._open: list[InferenceRecord] = []

    def add(self, record: InferenceRecord) -> None:
        """Keep the record for `drain`."""
        self._open.append(record)

    def waited(self, until_ns: int, clock_khz: int) -> None:
        """Nothing to count."""

    def drain(self, until_ns: int) -> Sequence[InferenceRecord]:
        """Return all records added since."""
        done, self._open = self._open, []
        return done

    def close(self, end_ns: int) -> Sequence[InferenceRecord]:
        """Return all records added since."""
        return self.drain(end_ns)

    def totals(self) -> None:
        """Nothing is known."""
        return
