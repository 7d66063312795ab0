"""INA219 power monitor: driver at register level.

TI datasheet SBOS448G, August 2008, revised December 2015. Current and power are computed here
from the shunt (10 uV) and bus (4 mV) registers, so the chip's calibration register is not used.
"""

from boards.calibration import Calibration
from boards.errors import BusError, MeterError
from boards.i2c_device import FATAL, I2cDevice
from boards.ina219_registers import (
    BUS_STEP_MV,
    BUS_VOLTAGE,
    CONFIGURATION,
    CONFIGURATION_AT_RESET,
    CONVERSION_READY,
    POWER,
    RESET,
    SHUNT_STEP_UV,
    SHUNT_VOLTAGE,
    Ina219Settings,
)
from boards.pair_clock import PairClock
from boards.power import MeterStatistics, PowerSample, SampleFlag
from boards.timebase import Timebase

CURRENT_ERROR_PPM = 10_000
"""Section 7.5, grade A, over temperature: 1 %."""
BUS_ERROR_PPM = 10_000
"""Section 7.5, over temperature: 1 %."""
OFFSET_UV_OF_RANGE_MV = {40: 100, 80: 125, 160: 150, 320: 200}
"""Section 7.5, grade A: greatest input offset by PGA setting."""
LONGEST_CONVERSION = 586 / 532
"""Section 7.5: greatest over typical conversion time."""
RESET_NS = 50_000_000
"""Section 8.6.2.1: the reset bit clears itself, without a time; a power-on takes far less."""
GIVE_UP_NS = 1_000_000_000
"""Errors without a break for this long mean that the bus has failed for good."""
TYPICAL_SUPPLY_MV = 5000


class Ina219:
    """The chip behind `device`. `poll` reads a pair of conversions when one is ready.

    Args:
        device: its registers.
        timebase: where `poll` takes time from and waits.
        shunt_uohm: shunt resistance in uohm.
        shunt_tolerance_ppm: its tolerance.
        settings: ranges and ADC.
        calibration: correction of the power; without one the bounds are the datasheet's.
    """

    def __init__(
        self,
        device: I2cDevice,
        timebase: Timebase,
        *,
        shunt_uohm: int = 100_000,
        shunt_tolerance_ppm: int = 10_000,
        settings: Ina219Settings | None = None,
        calibration: Calibration | None = None,
    ) -> None:
        self.settings = settings or Ina219Settings()
        self._device = device
        self._timebase = timebase
        self._shunt_uohm = shunt_uohm
        self._nominal_pair_ns = 2 * self.settings.conversion_ns
        self._pairs = PairClock(self._nominal_pair_ns)
        self._calibration = calibration or self._uncalibrated(shunt_tolerance_ppm)
        self._bus_mv = TYPICAL_SUPPLY_MV
        self._uncleared, self._last_seq = False, -1
        self._failing_since_ns: int | None = None
        self._samples = self._saturated = self._busy_ns = 0
        self.due_ns = 0
        """When `poll` will next use the bus."""

    @property
    def gain_uncertainty_ppm(self) -> int:
        """Bound of the gain error, bus voltage quantisation included."""
        quantisation_ppm = BUS_STEP_MV * 500_000 // self._bus_mv
        return self._calibration.gain_uncertainty_ppm + quantisation_ppm

    @property
    def offset_uncertainty_uw(self) -> int:
        """Bound of the offset error in uW."""
        return self._calibration.offset_uncertainty_uw

    @property
    def resolution_uw(self) -> int:
        """Half a step of the shunt register, in uW."""
        return self._power_uw(1, self._bus_mv) // 2 + 1

    @property
    def transactions(self) -> int:
        """Most bus transactions that one `poll` makes, retries included."""
        return 3 * self._device.attempts

    def start(self) -> None:
        """Reset and configure the chip. Raises MeterError if it is not an INA219, or BusError."""
        word = self._reset()
        if word != CONFIGURATION_AT_RESET:
            raise MeterError(
                f"{self._device} is no INA219: its configuration after a reset is 0x{word:04x}, "
                f"not 0x{CONFIGURATION_AT_RESET:04x}; check the address"
            )
        self._device.write(CONFIGURATION, self.settings.word)
        word = self._device.read(CONFIGURATION)
        if word != self.settings.word:
            raise MeterError(
                f"{self._device} did not take its configuration: wrote 0x{self.settings.word:04x}, "
                f"read 0x{word:04x}; does another program use the chip?"
            )
        self._pairs.restart(self._timebase.now_ns())
        self.due_ns = self._pairs.next_poll_ns()
        self._uncleared, self._last_seq = False, -1
        self._failing_since_ns = None
        self._samples = self._saturated = self._busy_ns = 0

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
            retries=self._device.repeated,
            busy_ns=self._busy_ns,
        )

    def _reset(self) -> int:
        """Reset the chip; return its configuration once the reset bit has cleared itself."""
        self._device.write(CONFIGURATION, RESET)
        until_ns = self._timebase.now_ns() + RESET_NS
        word = self._device.read(CONFIGURATION)
        while word & RESET and self._timebase.now_ns() < until_ns:
            word = self._device.read(CONFIGURATION)
        return word

    def _read_pair(self, began_ns: int) -> PowerSample | None:
        bus_word = self._device.read(BUS_VOLTAGE)
        seen_ns = self._timebase.now_ns()
        if not bus_word & CONVERSION_READY:
            self._pairs.not_ready(seen_ns)
            self.due_ns = seen_ns
            return None
        self._pairs.ready(began_ns, seen_ns)
        self._uncleared = True
        sample = self._sample(bus_word, self._device.read(SHUNT_VOLTAGE))
        try:
            self._clear()
        except BusError as error:
            if error.errno in FATAL:
                raise
            self.due_ns = self._timebase.now_ns()
        return sample

    def _clear(self) -> None:
        """Clear conversion-ready: section 8.6.3.2 says that reading the power register does it.

        Section 8.3.1 says that reading the bus register did; then this read changes nothing.
        """
        self._device.read(POWER)
        self._uncleared = False
        self.due_ns = self._pairs.next_poll_ns()

    def _sample(self, bus_word: int, shunt_word: int) -> PowerSample:
        code = shunt_word - 0x10000 if shunt_word & 0x8000 else shunt_word
        self._bus_mv = bus_mv = max(BUS_STEP_MV, (bus_word >> 3) * BUS_STEP_MV)
        seq = self._pairs.count - 1
        flags = SampleFlag.GAP if seq > self._last_seq + 1 else SampleFlag.NONE
        self._last_seq = seq
        if abs(code) >= self.settings.shunt_limit:
            flags |= SampleFlag.SATURATED
            self._saturated += 1
        self._samples += 1
        power_uw = self._calibration.apply(self._power_uw(code, bus_mv))
        half_ns = self._pairs.period_ns // 2
        return PowerSample(
            seq,
            self._pairs.edge_ns - half_ns,
            half_ns,
            bus_mv,
            power_uw * 1000 // bus_mv,
            power_uw,
            flags,
        )

    def _power_uw(self, code: int, bus_mv: int) -> int:
        # uV * mV / uohm = mW; the shunt code counts 10 uV.
        return code * SHUNT_STEP_UV * bus_mv * 1000 // self._shunt_uohm

    def _failed(self, error: BusError, began_ns: int) -> None:
        now_ns = self._timebase.now_ns()
        if self._failing_since_ns is None:
            self._failing_since_ns = began_ns
        if error.errno in FATAL or now_ns - self._failing_since_ns > GIVE_UP_NS:
            raise error
        self.due_ns = now_ns if self._uncleared else max(now_ns, self._pairs.next_poll_ns())

    def _uncalibrated(self, shunt_tolerance_ppm: int) -> Calibration:
        """The datasheet's bounds, for a chip that nobody calibrated."""
        offset_uv = OFFSET_UV_OF_RANGE_MV[self.settings.shunt_range_mv]
        return Calibration(
            gain_uncertainty_ppm=CURRENT_ERROR_PPM + BUS_ERROR_PPM + shunt_tolerance_ppm,
            offset_uncertainty_uw=offset_uv * TYPICAL_SUPPLY_MV * 1000 // self._shunt_uohm,
        )
