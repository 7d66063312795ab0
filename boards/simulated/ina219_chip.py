"""Register model of an INA219 that converts without pause, as datasheet SBOS448G describes it.

Nothing runs between reads: a register read at some time holds what the conversions that ended by
then left in it.
"""

from dataclasses import dataclass
from typing import Protocol

from edge_infer.boards.ina219 import (
    ADC_BY_CODE,
    BRNG_OF_RANGE_V,
    BUS_STEP_MV,
    BUS_VOLTAGE,
    CALIBRATION,
    CONFIGURATION,
    CONFIGURATION_AT_RESET,
    CONVERSION_READY,
    CURRENT,
    MATH_OVERFLOW,
    MODE_SHUNT_AND_BUS_CONTINUOUS,
    PGA_OF_RANGE_MV,
    POWER,
    RESET,
    SHUNT_VOLTAGE,
)
from edge_infer.boards.simulated.supply import Supply

_RANGE_MV_OF_PGA = {code: mv for mv, code in PGA_OF_RANGE_MV.items()}
_RANGE_V_OF_BRNG = {code: volts for volts, code in BRNG_OF_RANGE_V.items()}


@dataclass(frozen=True, slots=True)
class MeterFaults:
    """What is wrong with a chip and its shunt; nothing by default."""

    shunt_ppm: int = 0
    """The shunt's resistance against its nominal one."""
    gain_ppm: int = 0
    """Gain error of the shunt conversion."""
    offset_uv: int = 0
    """Input offset of the shunt conversion."""
    oscillator_ppm: int = 0
    """How much longer than typical a conversion takes; the datasheet allows +101,500."""
    ready_clears_on_bus_read: bool = False
    """CNVR clears when register 02h is read, as section 8.3.1 has it, not 03h."""


class Load(Protocol):
    """What the shunt sees."""

    def mean_uw(self, from_ns: int, to_ns: int) -> int:
        """Return the mean power over a window of the past."""
        ...

    def read_from(self, at_ns: int | None) -> None:
        """Only power from `at_ns` on will be asked for; None ends that."""
        ...


class Ina219Chip:
    """Registers 00h to 05h.

    Args:
        load: the power that flows through the shunt.
        supply: bus voltage; one in mV is constant.
        shunt_uohm: nominal shunt resistance.
        faults: errors of this very chip and shunt.
    """

    def __init__(
        self,
        load: Load,
        supply: Supply | int,
        shunt_uohm: int,
        faults: MeterFaults | None = None,
    ) -> None:
        self._load = load
        self._supply = Supply(supply) if isinstance(supply, int) else supply
        self._faults = faults or MeterFaults()
        real_uohm = shunt_uohm * (1_000_000 + self._faults.shunt_ppm) / 1e6
        gain = 1 + self._faults.gain_ppm / 1e6
        self._uv_per_uw = gain * real_uohm / self._supply.mean_mv / 1000
        self._calibration = 0
        self._configure(CONFIGURATION_AT_RESET, 0)

    def write(self, register: int, value: int, now_ns: int) -> None:
        """Take a register write at `now_ns`; writes to read-only registers are ignored."""
        if register == CONFIGURATION:
            if value & RESET:
                value, self._calibration = CONFIGURATION_AT_RESET, 0
            self._configure(value, now_ns)
        elif register == CALIBRATION:
            self._calibration = value & 0xFFFE

    def read(self, register: int, now_ns: int) -> int:
        """Return a register's 16 bits at `now_ns`."""
        if register == BUS_VOLTAGE:
            return self._bus_word(now_ns)
        if register == SHUNT_VOLTAGE:
            return self._shunt_code(now_ns) & 0xFFFF
        if register == POWER:
            self._cleared = self._pairs(now_ns)
            return self._power(now_ns) & 0xFFFF
        if register == CURRENT:
            return self._current(now_ns) & 0xFFFF
        if register == CALIBRATION:
            return self._calibration
        return self._word

    def _configure(self, word: int, now_ns: int) -> None:
        self._word = word
        self._shunt_bits, shunt_ns = _adc(word >> 3 & 0xF)
        _, bus_ns = _adc(word >> 7 & 0xF)
        stretch = 1 + self._faults.oscillator_ppm / 1e6
        self._shunt_ns, bus_ns = round(shunt_ns * stretch), round(bus_ns * stretch)
        self._pair_ns = self._shunt_ns + bus_ns
        self._limit = _RANGE_MV_OF_PGA[word >> 11 & 3] * 100
        self._bus_limit_mv = _RANGE_V_OF_BRNG[word >> 13 & 1] * 1000
        self._converting = word & 7 == MODE_SHUNT_AND_BUS_CONTINUOUS
        self.began_ns = now_ns
        """When its first pair of conversions began."""
        self._cleared = 0
        self._last_pair, self._last_code = -1, 0
        self._load.read_from(now_ns)

    def _pairs(self, now_ns: int) -> int:
        """Pairs of conversions that ended by `now_ns`."""
        return (now_ns - self.began_ns) // self._pair_ns if self._converting else 0

    def _bus_word(self, now_ns: int) -> int:
        pairs = self._pairs(now_ns)
        if not pairs:
            return 0
        steps = self._bus_steps(now_ns)
        ready = CONVERSION_READY if pairs > self._cleared else 0
        if self._faults.ready_clears_on_bus_read:
            self._cleared = pairs
        overflow = MATH_OVERFLOW if abs(self._current(now_ns)) > 0x7FFF else 0
        return steps << 3 | ready | overflow

    def _bus_steps(self, now_ns: int) -> int:
        """The bus register: the last bus conversion that ended by `now_ns`."""
        to_ns = self.began_ns + self._pairs(now_ns) * self._pair_ns
        supply = self._supply
        mv = supply.mean_mv * supply.factor(to_ns - self._pair_ns + self._shunt_ns, to_ns)
        return round(min(mv, self._bus_limit_mv) / BUS_STEP_MV)

    def _shunt_code(self, now_ns: int) -> int:
        """The shunt register: the last shunt conversion that ended by `now_ns`."""
        if not self._converting:
            return self._last_code
        pair = (now_ns - self.began_ns - self._shunt_ns) // self._pair_ns
        if pair != self._last_pair and pair >= 0:
            from_ns = self.began_ns + pair * self._pair_ns
            self._last_code = self._convert(from_ns, from_ns + self._shunt_ns)
            self._last_pair = pair
            self._load.read_from(from_ns)
        return self._last_code

    def _convert(self, from_ns: int, to_ns: int) -> int:
        """One shunt conversion: the mean over it, quantised, held within the PGA range."""
        uw = self._load.mean_uw(from_ns, to_ns) / self._supply.factor(from_ns, to_ns)
        uv = uw * self._uv_per_uw + self._faults.offset_uv
        # At 12 bit and more the step is 10 uV; each bit less doubles it.
        step = 1 << (12 - self._shunt_bits)
        code = round(uv / (10 * step)) * step
        return max(-self._limit, min(self._limit, code))

    def _current(self, now_ns: int) -> int:
        # Section 8.5.2.1, equation 4.
        return self._shunt_code(now_ns) * self._calibration // 4096 if self._calibration else 0

    def _power(self, now_ns: int) -> int:
        # Section 8.5.2.1, equation 5.
        if not self._calibration:
            return 0
        return self._current(now_ns) * self._bus_steps(now_ns) // 5000


def _adc(code: int) -> tuple[int, int]:
    """Bits and conversion time of an ADC field; table 5: bit 2 does not matter, 1000 is 12 bit."""
    return ADC_BY_CODE.get(code) or ADC_BY_CODE[code & 0b0011 if code < 8 else 0b0011]
