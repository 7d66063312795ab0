"""INA219 power monitor: registers, settings and driver.

TI datasheet SBOS448G, August 2008, revised December 2015.
"""

from dataclasses import dataclass

from edge_infer.boards.calibration import Calibration, check_shunt_uohm
from edge_infer.boards.chip_identity import check_identity
from edge_infer.boards.errors import MeterError
from edge_infer.boards.i2c import I2cDevice
from edge_infer.boards.shunt_monitor import TYPICAL_SUPPLY_MV, Reading, ShuntMonitor
from edge_infer.boards.timebase import Timebase

# Section 8.6.1, table 2.
CONFIGURATION = 0x00  # 16 bit rw
SHUNT_VOLTAGE = 0x01  # 16 bit signed r, 10 uV
BUS_VOLTAGE = 0x02  # bits 15..3 r, 4 mV; bit 1 CNVR, bit 0 OVF
POWER = 0x03  # 16 bit r, 20 current steps
CURRENT = 0x04  # 16 bit signed r
CALIBRATION = 0x05  # bits 15..1 rw

RESET = 0x8000
"""Bit 15 of the configuration: reset everything, clears itself."""
CONFIGURATION_AT_RESET = 0x399F
CONVERSION_READY = 0x0002
MATH_OVERFLOW = 0x0001
MODE_SHUNT_AND_BUS_CONTINUOUS = 0b111

SHUNT_STEP_UV = 10
BUS_STEP_MV = 4

PGA_OF_RANGE_MV = {40: 0, 80: 1, 160: 2, 320: 3}
"""Field PG, table 4."""
BRNG_OF_RANGE_V = {16: 0, 32: 1}
ADC_FIELDS = {
    # Fields BADC and SADC, table 5: (bits, samples): (code, typical conversion time in ns).
    (9, 1): (0b0000, 84_000),
    (10, 1): (0b0001, 148_000),
    (11, 1): (0b0010, 276_000),
    (12, 1): (0b0011, 532_000),
    (12, 2): (0b1001, 1_060_000),
    (12, 4): (0b1010, 2_130_000),
    (12, 8): (0b1011, 4_260_000),
    (12, 16): (0b1100, 8_510_000),
    (12, 32): (0b1101, 17_020_000),
    (12, 64): (0b1110, 34_050_000),
    (12, 128): (0b1111, 68_100_000),
}
ADC_BY_CODE = {code: (bits, ns) for (bits, _), (code, ns) in ADC_FIELDS.items()}
CURRENT_ERROR_PPM = 10_000
"""Section 7.5, grade A, over temperature: 1 %."""
BUS_ERROR_PPM = 10_000
"""Section 7.5, over temperature: 1 %."""
OFFSET_UV_OF_RANGE_MV = {40: 100, 80: 125, 160: 150, 320: 200}
"""Section 7.5, grade A: greatest input offset by PGA setting."""
RESET_NS = 50_000_000
"""Section 8.6.2.1: the reset bit clears itself; no time is given, a power-on takes far less."""


@dataclass(frozen=True, slots=True)
class Ina219Settings:
    """What the configuration register selects; the same ADC setting for shunt and bus.

    Raises MeterError for a setting that the chip does not have.
    """

    bus_range_v: int = 16
    """16 or 32."""
    shunt_range_mv: int = 320
    """40, 80, 160 or 320."""
    adc_bits: int = 12
    """9 to 12."""
    adc_samples: int = 1
    """Samples averaged in the chip: 1, or 2 to 128 by powers of two at 12 bit."""

    def __post_init__(self) -> None:
        if self.bus_range_v not in BRNG_OF_RANGE_V:
            raise MeterError(f"INA219 bus range {self.bus_range_v} V: it has 16 and 32")
        if self.shunt_range_mv not in PGA_OF_RANGE_MV:
            raise MeterError(f"INA219 shunt range {self.shunt_range_mv} mV: 40, 80, 160 or 320")
        if (self.adc_bits, self.adc_samples) not in ADC_FIELDS:
            raise MeterError(
                f"INA219 ADC of {self.adc_bits} bit, {self.adc_samples} samples: it has 9 to 12 "
                "bit, and 2, 4, 8, 16, 32, 64 or 128 samples at 12 bit"
            )

    @property
    def conversion_ns(self) -> int:
        """Typical time of one conversion; shunt and bus take one each."""
        return ADC_FIELDS[self.adc_bits, self.adc_samples][1]

    @property
    def shunt_limit(self) -> int:
        """The shunt code at the end of the PGA range: a reading there is saturated."""
        return self.shunt_range_mv * 1000 // SHUNT_STEP_UV

    @property
    def bus_limit_mv(self) -> int:
        """End of the bus range; the register goes no further."""
        return self.bus_range_v * 1000

    @property
    def word(self) -> int:
        """The configuration register: BRNG 13, PG 12..11, BADC 10..7, SADC 6..3, MODE 2..0."""
        adc = ADC_FIELDS[self.adc_bits, self.adc_samples][0]
        return (
            BRNG_OF_RANGE_V[self.bus_range_v] << 13
            | PGA_OF_RANGE_MV[self.shunt_range_mv] << 11
            | adc << 7
            | adc << 3
            | MODE_SHUNT_AND_BUS_CONTINUOUS
        )


class Ina219(ShuntMonitor):
    """The chip behind `device`. `poll` reads a pair of conversions when one is ready.

    Args:
        device: its registers.
        timebase: where `poll` takes time from and waits.
        shunt_uohm: shunt resistance in uohm.
        shunt_tolerance_ppm: its tolerance.
        settings: ranges and ADC.
        calibration: correction of the power; without one the bounds are the datasheet's.
        sure: nobody need look which chip it is before the reset: it is a model of one.
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
        sure: bool = False,
    ) -> None:
        check_shunt_uohm(shunt_uohm)
        self.settings = settings or Ina219Settings()
        self._sure = sure
        if calibration is None:
            calibration = _uncalibrated(self.settings, shunt_uohm, shunt_tolerance_ppm)
        pair_ns = 2 * self.settings.conversion_ns
        self.bus_limit_mv = self.settings.bus_limit_mv
        super().__init__(device, timebase, shunt_uohm, pair_ns, calibration)
        self._bus_word = 0

    def _configure(self) -> None:
        if not self._sure:
            check_identity(self._device, "ina219")
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
