"""INA226 power monitor: driver at register level.

TI datasheet SBOS547A, June 2011, revised August 2015.
"""

from dataclasses import dataclass

from edge_infer.boards.calibration import Calibration, check_shunt_uohm
from edge_infer.boards.chip_identity import check_identity
from edge_infer.boards.errors import MeterError
from edge_infer.boards.i2c import I2cDevice
from edge_infer.boards.shunt_monitor import TYPICAL_SUPPLY_MV, Reading, ShuntMonitor
from edge_infer.boards.timebase import Timebase

# Section 7.6, table 4.
CONFIGURATION = 0x00  # 16 bit rw: RST 15, AVG 11..9, VBUSCT 8..6, VSHCT 5..3, MODE 2..0
SHUNT_VOLTAGE = 0x01  # 16 bit signed r, 2.5 uV
BUS_VOLTAGE = 0x02  # 15 bit r, 1.25 mV
MASK_ENABLE = 0x06  # CVRF 3, cleared when the register is read

RESET = 0x8000
CONFIGURATION_FIXED = 0x4000
"""Bit 14 always reads as one."""
CONVERSION_READY = 0x0008
MODE_SHUNT_AND_BUS_CONTINUOUS = 0b111
SHUNT_LIMIT = 0x7FFF
"""81.92 mV: the end of the only shunt range."""

CONVERSION_US = (140, 204, 332, 588, 1100, 2116, 4156, 8244)
"""Typical, section 7.6.1, by the code of VBUSCT and VSHCT."""
AVERAGES = (1, 4, 16, 64, 128, 256, 512, 1024)
"""By the code of AVG."""
GAIN_ERROR_PPM = 1_000 + 1_000
"""Section 6.5: shunt and bus voltage gain errors of at most 0.1 % each."""
GAIN_DRIFT_PPM = 2 * 50 * 60
"""Section 6.5: 50 ppm a degree each, over 25 to 85 degrees."""
OFFSET_NV = 10_000
"""Section 6.5: greatest shunt input offset."""


@dataclass(frozen=True, slots=True)
class Ina226Settings:
    """What the configuration register selects; one conversion time for shunt and bus.

    Raises MeterError for a setting that the chip does not have.
    """

    conversion_us: int = 588
    averages: int = 1

    def __post_init__(self) -> None:
        if self.conversion_us not in CONVERSION_US:
            raise MeterError(
                f"INA226 conversion of {self.conversion_us} us: it has {CONVERSION_US}"
            )
        if self.averages not in AVERAGES:
            raise MeterError(f"INA226 with {self.averages} averages: one of {AVERAGES}")

    @property
    def pair_ns(self) -> int:
        """Typical time of a shunt and a bus result, averages included."""
        return 2 * self.averages * self.conversion_us * 1000

    @property
    def word(self) -> int:
        """The configuration register as it reads back."""
        time_code = CONVERSION_US.index(self.conversion_us)
        return (
            CONFIGURATION_FIXED
            | AVERAGES.index(self.averages) << 9
            | time_code << 6
            | time_code << 3
            | MODE_SHUNT_AND_BUS_CONTINUOUS
        )


class Ina226(ShuntMonitor):
    """The chip behind `device`. `poll` reads a pair of conversions when one is ready.

    Args:
        device: its registers.
        timebase: where `poll` takes time from and waits.
        shunt_uohm: shunt resistance in uohm; 81.92 mV is the most it may drop.
        shunt_tolerance_ppm: its tolerance.
        settings: conversion time and averages.
        calibration: correction of the power; without one the bounds are the datasheet's.
    """

    shunt_step_nv = 2_500
    bus_step_uv = 1_250
    bus_limit_mv = 36_000
    """Section 6.3: the highest that it may be put at."""

    def __init__(
        self,
        device: I2cDevice,
        timebase: Timebase,
        *,
        shunt_uohm: int = 100_000,
        shunt_tolerance_ppm: int = 10_000,
        settings: Ina226Settings | None = None,
        calibration: Calibration | None = None,
    ) -> None:
        check_shunt_uohm(shunt_uohm)
        self.settings = settings or Ina226Settings()
        if calibration is None:
            calibration = Calibration(
                gain_uncertainty_ppm=GAIN_ERROR_PPM + GAIN_DRIFT_PPM + shunt_tolerance_ppm,
                offset_uncertainty_uw=OFFSET_NV * TYPICAL_SUPPLY_MV // shunt_uohm,
            )
        super().__init__(device, timebase, shunt_uohm, self.settings.pair_ns, calibration)

    def _configure(self) -> None:
        check_identity(self._device, "ina226")
        self._device.write(CONFIGURATION, RESET)
        self._device.write(CONFIGURATION, self.settings.word)
        word = self._device.read(CONFIGURATION)
        if word != self.settings.word:
            raise MeterError(
                f"{self._device} did not take its configuration: wrote 0x{self.settings.word:04x}, "
                f"read 0x{word:04x}; does another program use the chip?"
            )

    def _ready(self) -> bool:
        return bool(self._device.read(MASK_ENABLE) & CONVERSION_READY)

    def _reading(self) -> Reading:
        bus_uv = (self._device.read(BUS_VOLTAGE) & 0x7FFF) * self.bus_step_uv
        word = self._device.read(SHUNT_VOLTAGE)
        code = word - 0x10000 if word & 0x8000 else word
        return Reading(code * self.shunt_step_nv, bus_uv, abs(code) >= SHUNT_LIMIT)

    def _clear_ready(self) -> None:
        """Reading the flag has cleared it (section 7.6.7)."""

    def _shunt_window_ns(self) -> tuple[int, int]:
        if self.settings.averages == 1:
            return super()._shunt_window_ns()
        # The datasheet does not say how averaged conversions of shunt and bus interleave.
        return 0, self._pairs.period_ns
