"""A meter that answers whenever it is asked: the kernel's drivers, a power management chip."""

from typing import NamedTuple, Protocol

from edge_infer.boards.calibration import Calibration
from edge_infer.boards.errors import BusError
from edge_infer.boards.power import MeterStatistics, PowerSample, SampleFlag, bus_flag
from edge_infer.boards.shunt_monitor import GIVE_UP_NS
from edge_infer.boards.timebase import Timebase


class Power(NamedTuple):
    """One answer."""

    bus_mv: int
    current_ua: int
    power_uw: int


class Gauge(Protocol):
    """What is asked."""

    interval_ns: int
    """Time over which an answer is the mean; one that is not known counts as the polling time."""
    bounds: Calibration
    """The error bounds of its answers; nothing is corrected."""
    resolution_uw: int
    """Half a step of its answers in uW."""
    bus_limit_mv: int
    """End of its bus voltage's range."""

    def open(self) -> None:
        """Make ready. Raises MeterError or BusError."""
        ...

    def read(self) -> Power:
        """Return the power now. Raises BusError."""
        ...


class PolledChip:
    """Asks a gauge every `period_ns`, on a grid, so that what was missed can be counted.

    Args:
        gauge: what is asked.
        timebase: where `poll` takes time from and waits.
        period_ns: time between two questions.
        calibration: correction of the power; without one the bounds are the gauge's.
    """

    def __init__(
        self,
        gauge: Gauge,
        timebase: Timebase,
        period_ns: int,
        calibration: Calibration | None = None,
    ) -> None:
        self._gauge = gauge
        self._timebase = timebase
        self._period_ns = period_ns
        self._given = calibration
        self._started_ns = self._samples = self._last_seq = self._busy_ns = self._failed = 0
        self._bus_odd = 0
        self._failing_since_ns: int | None = None
        self.due_ns = 0
        """When `poll` will next ask."""

    @property
    def _calibration(self) -> Calibration:
        # A gauge knows its bounds once it is open.
        return self._given or self._gauge.bounds

    @property
    def gain_uncertainty_ppm(self) -> int:
        """Bound of the gain error in parts per million."""
        return self._calibration.gain_uncertainty_ppm

    @property
    def offset_uncertainty_uw(self) -> int:
        """Bound of the offset error in uW."""
        return self._calibration.offset_uncertainty_uw

    @property
    def resolution_uw(self) -> int:
        """Half a step of the reading in uW."""
        return self._gauge.resolution_uw

    def start(self) -> None:
        """Begin. Raises MeterError or BusError."""
        self._gauge.open()
        self._started_ns = self._timebase.now_ns()
        self.due_ns = self._started_ns + self._period_ns
        self._samples = self._busy_ns = self._failed = self._bus_odd = 0
        self._last_seq, self._failing_since_ns = -1, None

    def poll(self) -> PowerSample | None:
        """Wait until `due_ns` and ask; None when there was no answer.

        Raises BusError when there has been none for a second.
        """
        self._timebase.sleep_until_ns(self.due_ns)
        asked_ns = self._timebase.now_ns()
        seq = (asked_ns - self._started_ns) // self._period_ns - 1
        self.due_ns = self._started_ns + (seq + 2) * self._period_ns
        try:
            power = self._gauge.read()
        except BusError as error:
            self._note_failure(error, asked_ns)
            return None
        finally:
            self._busy_ns += self._timebase.now_ns() - asked_ns
        self._failing_since_ns = None
        flags = SampleFlag.GAP if seq > self._last_seq + 1 else SampleFlag.NONE
        self._last_seq = seq
        self._samples += 1
        bus = bus_flag(power.bus_mv, self._gauge.bus_limit_mv)
        self._bus_odd += bool(bus)
        flags |= bus
        return self._sample(seq, asked_ns, power, flags)

    def statistics(self) -> MeterStatistics:
        """Return the counts since `start`; an answer that did not come counts as a retry."""
        lost = self._last_seq + 1 - self._samples
        return MeterStatistics(self._samples, lost, 0, self._bus_odd, self._failed, self._busy_ns)

    def _sample(self, seq: int, at_ns: int, power: Power, flags: SampleFlag) -> PowerSample:
        power_uw = self._calibration.apply(power.power_uw)
        current_ua = power.current_ua
        if power_uw != power.power_uw and power.bus_mv:
            current_ua = power_uw * 1000 // power.bus_mv
        interval_ns = self._gauge.interval_ns or self._period_ns
        return PowerSample(seq, at_ns, interval_ns, power.bus_mv, current_ua, power_uw, flags)

    def _note_failure(self, error: BusError, asked_ns: int) -> None:
        self._failed += 1
        if self._failing_since_ns is None:
            self._failing_since_ns = asked_ns
        if self._timebase.now_ns() - self._failing_since_ns > GIVE_UP_NS:
            raise error
