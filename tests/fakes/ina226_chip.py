"""Register model of an INA226 in virtual time (TI datasheet SBOS547A), for the driver's tests."""

from edge_infer.boards.chip_identity import (
    CALIBRATION,
    CURRENT,
    DIE_ID,
    INA226_DIE,
    MANUFACTURER_ID,
    TEXAS_INSTRUMENTS,
)
from edge_infer.boards.ina226 import (
    AVERAGES,
    BUS_VOLTAGE,
    CONFIGURATION,
    CONVERSION_READY,
    CONVERSION_US,
    MASK_ENABLE,
    RESET,
    SHUNT_VOLTAGE,
)

AT_RESET = 0x4127
"""Section 7.6.1."""


class Ina226Chip:
    """Constant voltages, converted for ever; reading Mask/Enable clears the ready flag."""

    def __init__(self, shunt_uv: float, bus_mv: float, die: int = INA226_DIE) -> None:
        self._shunt = max(-0x8000, min(0x7FFF, round(shunt_uv / 2.5))) & 0xFFFF
        self._bus = round(bus_mv / 1.25)
        self._die = die
        self.word = AT_RESET
        self._began_ns = self._cleared = 0

    @property
    def pair_ns(self) -> int:
        """Time of a shunt and a bus result."""
        times = CONVERSION_US[self.word >> 6 & 7] + CONVERSION_US[self.word >> 3 & 7]
        return times * AVERAGES[self.word >> 9 & 7] * 1000

    def write(self, register: int, value: int, now_ns: int) -> None:
        """Take a register write; only the configuration is writable here."""
        if register == CONFIGURATION:
            self.word = AT_RESET if value & RESET else value
            self._began_ns, self._cleared = now_ns, 0

    def read(self, register: int, now_ns: int) -> int:
        """Return a register's 16 bits."""
        pairs = (now_ns - self._began_ns) // self.pair_ns
        if register == MASK_ENABLE:
            ready = CONVERSION_READY if pairs > self._cleared else 0
            self._cleared = pairs
            return ready
        return {
            CONFIGURATION: self.word,
            SHUNT_VOLTAGE: self._shunt if pairs else 0,
            BUS_VOLTAGE: self._bus if pairs else 0,
            CURRENT: 0,
            CALIBRATION: 0,
            MANUFACTURER_ID: TEXAS_INSTRUMENTS,
            DIE_ID: self._die,
        }[register]
