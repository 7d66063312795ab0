"""Register models of chips that share an I2C address with power monitors.

Each says what a word read does to it, the register's number included: for some it is a command.
"""

import errno
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass
class OtherChip:
    """Fulfils RegisterBus: a chip at every address, which notes what happens to it.

    Args:
        word: gives what a word read of a register returns, high byte first; None for no answer.
        commands: numbers that are commands to it, and what they do.
    """

    word: Callable[[int], int | None]
    commands: Mapping[int, str] = field(default_factory=dict)
    harmed: list[str] = field(default_factory=list)
    """What was done to it."""
    asked: list[int] = field(default_factory=list)

    def read_word_data(self, i2c_addr: int, register: int) -> int:
        """Return the word, low byte first. Raises OSError for a number it does not take."""
        self.asked.append(register)
        if register in self.commands:
            self.harmed.append(self.commands[register])
        word = self.word(register)
        if word is None:
            raise OSError(errno.EREMOTEIO, os.strerror(errno.EREMOTEIO))
        return word >> 8 | (word & 0xFF) << 8

    def write_word_data(self, i2c_addr: int, register: int, value: int) -> None:
        """Note a write."""
        self.harmed.append(f"wrote {value:#x} to {register:#x}")

    def close(self) -> None:
        """Nothing to free."""


def bytes_of(registers: Mapping[int, int], increments: bool) -> Callable[[int], int]:
    """Return the words of a chip of 8-bit registers: the next byte follows, or the same again."""
    return lambda n: registers.get(n, 0) << 8 | registers.get(n + increments, 0)


def words_of(registers: Mapping[int, int], mask: int = 0xFF) -> Callable[[int], int | None]:
    """Return the words of a chip of 16-bit registers that looks at the bits of `mask` only."""
    return lambda n: registers.get(n & mask)


def _pca9685(mode1: int, led: int = 0) -> OtherChip:
    """A PCA9685 (NXP, rev. 4, 7.3): MODE1, MODE2, three sub-addresses, all-call; then the LEDs."""
    fixed = {0x00: mode1, 0x01: 0x04, 0x02: 0xE2, 0x03: 0xE4, 0x04: 0xE8, 0x05: 0xE0, 0xFE: 0x1E}
    leds = dict.fromkeys(range(0x06, 0x46), led)
    return OtherChip(bytes_of(fixed | leds, increments=bool(mode1 & 0x20)))


def _sht2x() -> OtherChip:
    """An SHT2x, HTU21D or Si7021: commands, no registers; 0xFE resets it (Si7021 rev. 1.3, 5)."""
    hold = {0xE3: 0x6600, 0xE5: 0x7C80, 0xE7: 0x3A3A}
    return OtherChip(hold.get, {0xFE: "reset", 0xE6: "settings", 0x51: "heater"})


def _hdc1080() -> OtherChip:
    """An HDC1080 (SNAS672A, 8.6): 0x00 and 0x01 begin a measurement and answer nothing yet."""
    words = {0x02: 0x1000, 0xFB: 0x1234, 0xFC: 0x5678, 0xFD: 0x9A00, 0xFE: 0x5449, 0xFF: 0x1050}
    return OtherChip(lambda n: None if n < 2 else words.get(n, 0))


def _pcf8591(volts: int = 0x80) -> OtherChip:
    """A PCF8591 (NXP, rev. 7, 8.2): the number is its control byte, bit 6 the analogue output."""
    outputs = {n: "analogue output" for n in range(256) if n & 0x40}
    return OtherChip(lambda n: volts << 8 | volts ^ n & 1, outputs)


OTHERS: Mapping[str, Callable[[], OtherChip]] = {
    "PCA9685 asleep, as after power-up": lambda: _pca9685(0x11),
    "PCA9685 awake": lambda: _pca9685(0x01),
    "PCA9685 awake, auto-increment": lambda: _pca9685(0x21),
    "PCA9685 of a servo library": lambda: _pca9685(0xA1, 0x10),
    "PCA9685 without all-call": lambda: _pca9685(0x20),
    "TLC59108": lambda: OtherChip(bytes_of({0x00: 0x11, 0x01: 0x00}, increments=False)),
    "SHT2x, Si7021": _sht2x,
    "HDC1080": _hdc1080,
    # ADS1115 (SBAS444D, 9.6): two bits of the number count.
    "ADS1115": lambda: OtherChip(words_of({0: 0x1234, 1: 0x8583, 2: 0x8000, 3: 0x7FFF}, 3)),
    "ADS1115 converting": lambda: OtherChip(
        words_of({0: 0x1234, 1: 0x0383, 2: 0x8000, 3: 0x7FFF}, 3)
    ),
    # LM75 (NXP LM75B, 7.4), TMP102 (SBOS397F, 7.5), MCP9808 (DS25095A, 5.1).
    "LM75 at 25 C": lambda: OtherChip(words_of({0: 0x1900, 1: 0x0000, 2: 0x4B00, 3: 0x5000}, 3)),
    "LM75 at 75 C": lambda: OtherChip(words_of({0: 0x4B00, 1: 0x00FF, 2: 0x4B00, 3: 0x5000}, 7)),
    "TMP102": lambda: OtherChip(words_of({0: 0x1910, 1: 0x60A0, 2: 0x4B00, 3: 0x5000}, 3)),
    "MCP9808": lambda: OtherChip(
        words_of({0: 0x001F, 1: 0, 2: 0, 3: 0, 4: 0, 5: 0xC190, 6: 0x0054})
    ),
    "PCF8591": _pcf8591,
    "PCF8591 at 0x4A": lambda: _pcf8591(0x4A),
    # INA228 (SLYS021A, 7.6), TMP007 (SBOS685B, 7.5).
    "INA228": lambda: OtherChip(words_of({0: 0, 1: 0xFB68, 2: 0x1000, 3: 0, 4: 0x0012, 5: 0x0F42})),
    "TMP007": lambda: OtherChip(
        words_of(
            {0: 0x0123, 1: 0x0C80, 2: 0x1440, 3: 0x0C90, 4: 0, 5: 0, 0xFE: 0x5449, 0xFF: 0x0078}
        )
    ),
    "a bus held low": lambda: OtherChip(lambda n: 0x0000),
    "a bus that floats": lambda: OtherChip(lambda n: 0xFFFF),
}
"""By name; none of them is an INA219 or INA226."""
