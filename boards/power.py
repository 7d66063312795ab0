"""Power enters through one contract, whatever measured it."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntFlag
from typing import Literal, NamedTuple, Protocol

Origin = Literal["measured", "simulated", "modelled", "mixed"]
"""Where an energy figure comes from: a meter on hardware, the meter of a simulated board,
a cost table alone, or several of these."""


class SampleFlag(IntFlag):
    """What is known to be wrong with a sample."""

    NONE = 0
    SATURATED = 1
    """The shunt code stood at the limit of the PGA range: the true current is higher."""
    GAP = 2
    """At least one conversion before this one was lost."""
    THROTTLED = 4
    """The board reported throttling or under-voltage during the conversion."""
    BUS_RANGE = 8
    """The bus voltage stood at the end of its range or near 0: no supply that a board runs on."""


UNUSABLE = SampleFlag.SATURATED | SampleFlag.BUS_RANGE
"""The power of such a sample is not that of the board."""
LEAST_BUS_MV = 500


def bus_flag(bus_mv: int, limit_mv: int) -> SampleFlag:
    """Return BUS_RANGE for a bus voltage near 0, or at the end of a chip's range."""
    plausible = LEAST_BUS_MV <= bus_mv < limit_mv
    return SampleFlag.NONE if plausible else SampleFlag.BUS_RANGE


class PowerSample(NamedTuple):
    """One reading of a meter: the mean over the conversion that ended at `timestamp_ns`."""

    seq: int
    """Number of the conversion since the meter started; a jump is a loss."""
    timestamp_ns: int
    """End of the shunt conversion on the board's timebase."""
    interval_ns: int
    """Length of the shunt conversion: the reading is the mean over
    [timestamp_ns - interval_ns, timestamp_ns]."""
    bus_mv: int
    current_ua: int
    power_uw: int
    flags: SampleFlag = SampleFlag.NONE


@dataclass(frozen=True, slots=True)
class MeterStatistics:
    """What a meter did since it started."""

    samples: int = 0
    lost: int = 0
    """Conversions that were never read."""
    saturated: int = 0
    bus_out_of_range: int = 0
    """Samples whose bus voltage stood at the end of its range or near 0."""
    retries: int = 0
    """Bus transactions that had to be repeated."""
    busy_ns: int = 0
    """Time the sampler held the bus: its own overhead."""


class PowerMeter(Protocol):
    """Gives samples of the board's supply power."""

    @property
    def origin(self) -> Origin:
        """Whether hardware or a simulation is behind it."""
        ...

    @property
    def gain_uncertainty_ppm(self) -> int:
        """Bound of the gain error that calibration leaves, in parts per million of the reading."""
        ...

    @property
    def offset_uncertainty_uw(self) -> int:
        """Bound of the offset error that calibration leaves, in uW."""
        ...

    @property
    def resolution_uw(self) -> int:
        """Half a step of the reading, in uW: a constant load may stand that far off its mean."""
        ...

    def start(self) -> None:
        """Begin to sample. Raises MeterError if the chip does not answer."""
        ...

    def drain(self, until_ns: int) -> Sequence[PowerSample]:
        """Return the samples that ended at or before `until_ns` and were not yet returned.

        Never blocks. Raises BusError when the bus has failed for good.
        """
        ...

    def statistics(self) -> MeterStatistics:
        """Return the counts since `start`."""
        ...

    def stop(self) -> None:
        """End sampling and free what it held. May be called twice."""
        ...
