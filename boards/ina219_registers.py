"""INA219 registers and settings. TI datasheet SBOS448G, August 2008, revised December 2015."""

from dataclasses import dataclass

from edge_infer.boards.errors import MeterError

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
