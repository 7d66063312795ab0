"""INA219 power monitor: driver at register level.

TI datasheet SBOS448G, August 2008, revised December 2015.
"""

from edge_infer.boards.calibration import Calibration
from edge_infer.boards.errors import MeterError
from edge_infer.boards.i2c_device import I2cDevice
from edge_infer.boards.ina219_registers import (
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
from edge_infer.boards.shunt_monitor import TYPICAL_SUPPLY_MV, Reading, ShuntMonitor
from edge_infer.boards.timebase import Timebase

CURRENT_ERROR_PPM = 10_000
"""Section 7.5, grade A, over temperature: 1 %."""
BUS_ERROR_PPM = 10_000
"""Section 7.5, over temperature: 1 %."""
OFFSET_UV_OF_RANGE_MV = {40: 100, 80: 125, 160: 150, 320: 200}
"""Section 7.5, grade A: greatest input offset by PGA setting."""
RESET_NS = 50_000_000
"""Section 8.6.2.1: the reset bit clears itself; no time is given, a power-on takes far less."""


class Ina219(ShuntMonitor):
    """The chip behind `device`. `poll` reads a pair of conversions when one is ready.

    Args:
        device: its registers.
        timebase: where `poll` takes time from and waits.
        shunt_uohm: shunt resistance in uohm.
        shunt_tolerance_ppm: its tolerance.
        settings: ranges and ADC.
        calibration: correction of the power; without one the bounds are the datasheet's.
    """

    shunt_step_nv = SHUNT_STEP_UV * 1000
    bus_step_uv = BUS_STEP_MV * 1000

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
        if calibration is None:
            calibration = _uncalibrated(self.settings, shunt_uohm, shunt_tolerance_ppm)
        pair_ns = 2 * self.settings.conversion_ns
        super().__init__(device, timebase, shunt_uohm, pair_ns, calibration)
        self._bus_word = 0

    def _configure(self) -> None:
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

    def _reset(self) -> int:
        """Reset the chip; return its configuration once the reset bit has cleared itself."""
        self._device.write(CONFIGURATION, RESET)
        until_ns = self._timebase.now_ns() + RESET_NS
        word = self._device.read(CONFIGURATION)
        while word & RESET and self._timebase.now_ns() < until_ns:
            word = self._device.read(CONFIGURATION)
        return word

    def _ready(self) -> bool:
        self._bus_word = self._device.read(BUS_VOLTAGE)
        return bool(self._bus_word & CONVERSION_READY)

    def _reading(self) -> Reading:
        word = self._device.read(SHUNT_VOLTAGE)
        code = word - 0x10000 if word & 0x8000 else word
        saturated = abs(code) >= self.settings.shunt_limit
        bus_uv = (self._bus_word >> 3) * self.bus_step_uv
        return Reading(code * self.shunt_step_nv, bus_uv, saturated)

    def _clear_ready(self) -> None:
        """Clear conversion-ready: section 8.6.3.2 says that reading the power register does it.

        Section 8.3.1 says that reading the bus register did; then this read changes nothing.
        """
        self._device.read(POWER)


def _uncalibrated(
    settings: Ina219Settings, shunt_uohm: int, shunt_tolerance_ppm: int
) -> Calibration:
    """The datasheet's bounds, for a chip that nobody calibrated."""
    offset_uv = OFFSET_UV_OF_RANGE_MV[settings.shunt_range_mv]
    return Calibration(
        gain_uncertainty_ppm=CURRENT_ERROR_PPM + BUS_ERROR_PPM + shunt_tolerance_ppm,
        offset_uncertainty_uw=offset_uv * TYPICAL_SUPPLY_MV * 1000 // shunt_uohm,
    )
