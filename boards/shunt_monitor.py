"""What the I2C power monitors with a shunt share: when to read, and what a reading is worth.

Current and power are computed here from the chip's two voltage registers, so no chip's own
calibration register is used. A chip adds its registers: see `Ina219` and `Ina226`.
"""

from abc import ABC, abstractmethod
from typing import NamedTuple

from edge_infer.boards.calibration import Calibration
from edge_infer.boards.errors import BusError
from edge_infer.boards.i2c import FATAL, I2cDevice
from edge_infer.boards.pair_clock import PairClock
from edge_infer.boards.power import MeterStatistics, PowerSample, SampleFlag, bus_flag
from edge_infer.boards.timebase import Timebase

GIVE_UP_NS = 1_000_000_000
"""Errors without a break for this long mean that the bus has failed for good."""
TYPICAL_SUPPLY_MV = 5000


class Reading(NamedTuple):
    """Both voltages of one pair of conversions."""

    shunt_nv: int
    bus_uv: int
    saturated: bool
    """The shunt voltage stood at the end of its range."""


class ShuntMonitor(ABC):
    """A chip that converts shunt and bus voltage in turn, without a break.

    Args:
        device: its registers.
        timebase: where `poll` takes time from and waits.
        shunt_uohm: shunt resistance in uohm.
        pair_ns: typical time of a pair of conversions.
        calibration: correction of the power, and its bounds.
    """

    shunt_step_nv: int
    """One step of the shunt register."""
    bus_step_uv: int
    """One step of the bus register."""
    bus_limit_mv: int
    """End of its range."""

    def __init__(
        self,
        device: I2cDevice,
        timebase: Timebase,
        shunt_uohm: int,
        pair_ns: int,
        calibration: Calibration,
    ) -> None:
        self._device = device
        self._timebase = timebase
        self._shunt_uohm = shunt_uohm
        self._pairs = PairClock(pair_ns)
        self._calibration = calibration
        self._bus_mv = TYPICAL_SUPPLY_MV
        self._uncleared, self._overtaken, self._last_seq = False, False, -1
        self._failing_since_ns: int | None = None
        self._samples = self._saturated = self._bus_odd = self._busy_ns = 0
        self.due_ns = 0
        """When `poll` will next use the bus."""

    @property
    def gain_uncertainty_ppm(self) -> int:
        """Bound of the gain error, bus voltage quantisation included."""
        quantisation_ppm = self.bus_step_uv * 500 // self._bus_mv
        return self._calibration.gain_uncertainty_ppm + quantisation_ppm

    @property
    def offset_uncertainty_uw(self) -> int:
        """Bound of the offset error in uW."""
        return self._calibration.offset_uncertainty_uw

    @property
    def resolution_uw(self) -> int:
        """Half a step of the shunt register, in uW."""
        return self._power_uw(self.shunt_step_nv, self._bus_mv * 1000) // 2 + 1

    @property
    def transactions(self) -> int:
        """Most bus transactions that one `poll` makes, retries included."""
        return 3 * self._device.attempts

    def start(self) -> None:
        """Reset and configure the chip. Raises MeterError if it is another one, or BusError."""
        self._configure()
        self._pairs.restart(self._timebase.now_ns())
        self.due_ns = self._pairs.next_poll_ns()
        self._uncleared, self._overtaken, self._last_seq = False, False, -1
        self._failing_since_ns = None
        self._samples = self._saturated = self._bus_odd = self._busy_ns = 0

    def poll(self) -> PowerSample | None:
        """Wait until `due_ns`, then look for a new pair; return it, or None if there is none yet.

        Raises BusError when the bus has failed for good.
        """
        self._timebase.sleep_until_ns(self.due_ns)
        began_ns = self._timebase.now_ns()
        sample = None
        try:
            if self._uncleared:
                # A flag that still stands for a pair already read would look like a new pair.
                self._clear()
            else:
                sample = self._read_pair(began_ns)
            self._failing_since_ns = None
        except BusError as error:
            self._failed(error, began_ns)
        self._busy_ns += self._timebase.now_ns() - began_ns
        return sample

    def statistics(self) -> MeterStatistics:
        """Return the counts since `start`."""
        return MeterStatistics(
            samples=self._samples,
            lost=self._pairs.count - self._samples,
            saturated=self._saturated,
            bus_out_of_range=self._bus_odd,
            retries=self._device.repeated,
            busy_ns=self._busy_ns,
        )

    @abstractmethod
    def _configure(self) -> None:
        """Reset and configure. Raises MeterError or BusError."""

    @abstractmethod
    def _ready(self) -> bool:
        """Return whether a pair ended since the flag was last cleared; one transaction."""

    @abstractmethod
    def _reading(self) -> Reading:
        """Return the pair that `_ready` found."""

    @abstractmethod
    def _clear_ready(self) -> None:
        """Clear the flag, where reading it has not done so."""

    def _shunt_window_ns(self) -> tuple[int, int]:
        """Return how long before the end of a pair the shunt conversion ended, and its length."""
        half_ns = self._pairs.period_ns // 2
        return half_ns, half_ns

    def _read_pair(self, began_ns: int) -> PowerSample | None:
        # Ready first: it reads what `_reading` goes on from.
        ready = self._ready() or self._overtaken
        self._overtaken = False
        seen_ns = self._timebase.now_ns()
        if not ready:
            self._pairs.not_ready(seen_ns)
            self.due_ns = seen_ns
            return None
        self._pairs.ready(began_ns, seen_ns)
        self._uncleared = True
        sample = self._sample(self._reading())
        try:
            self._clear()
        except BusError as error:
            if error.errno in FATAL:
                raise
            self.due_ns = self._timebase.now_ns()
        return sample

    def _clear(self) -> None:
        self._clear_ready()
        self._uncleared = False
        # On a bus slower than the chip the next pair has ended by now and lost its flag with this.
        self._overtaken = self._timebase.now_ns() > self._pairs.edge_ns + self._pairs.period_ns
        self.due_ns = self._pairs.next_poll_ns()

    def _sample(self, reading: Reading) -> PowerSample:
        bus_uv = max(self.bus_step_uv, reading.bus_uv)
        self._bus_mv = bus_mv = max(1, bus_uv // 1000)
        seq = self._pairs.count - 1
        flags = SampleFlag.GAP if seq > self._last_seq + 1 else SampleFlag.NONE
        self._last_seq = seq
        if reading.saturated:
            flags |= SampleFlag.SATURATED
            self._saturated += 1
        bus = bus_flag(reading.bus_uv // 1000, self.bus_limit_mv)
        self._bus_odd += bool(bus)
        self._samples += 1
        power_uw = self._calibration.apply(self._power_uw(reading.shunt_nv, bus_uv))
        before_ns, length_ns = self._shunt_window_ns()
        return PowerSample(
            seq,
            self._pairs.edge_ns - before_ns,
            length_ns,
            bus_mv,
            power_uw * 1_000_000 // bus_uv,
            power_uw,
            flags | bus,
        )

    def _power_uw(self, shunt_nv: int, bus_uv: int) -> int:
        # nV * uV / uohm is nW.
        return shunt_nv * bus_uv // (self._shunt_uohm * 1000)

    def _failed(self, error: BusError, began_ns: int) -> None:
        now_ns = self._timebase.now_ns()
        if self._failing_since_ns is None:
            self._failing_since_ns = began_ns
        if error.errno in FATAL or now_ns - self._failing_since_ns > GIVE_UP_NS:
            raise error
        self.due_ns = now_ns if self._uncleared else max(now_ns, self._pairs.next_poll_ns())
