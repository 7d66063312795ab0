"""Which chip answers at an address, judged from several registers before anything is written.

What must not happen: a PCA9685 of a servo hat sits at 0x40 too, and the reset of an INA219 sets all
of its outputs going. So nothing but registers is read here.

A read of a register is not nothing: it sends one byte, the register's number, before it reads two.
Chips that take this byte for a command are why only 0x00 to 0x05 are asked of a chip that nobody
knows yet: 0xFE, where TI's chips keep their maker, is the reset of an Si7021, HTU21D or SHT2x, and
switches on the analogue output of a PCF8591. Those sensors have no command below 0x06 and answer
nothing. An HDC1080 begins a measurement, whose results it keeps anyway; it changes no setting. Two
chips of 0x48 and above cannot be asked without effect: a PCF8591 takes any number for its control
byte (another channel, output off), a UART bridge SC16IS750 gives a received byte away. So `--board
auto` asks at the address of a named meter alone. The INA219's power register is asked last and only
before a reset, since reading it takes "conversion ready" from another program.
"""

from dataclasses import dataclass
from itertools import pairwise

from edge_infer.boards.errors import MeterError
from edge_infer.boards.i2c import I2cDevice

CONFIGURATION, SHUNT_VOLTAGE, BUS_VOLTAGE, POWER, CURRENT, CALIBRATION = range(6)
"""Of INA219 (SBOS448G, table 2) and INA226 (SBOS547A, table 4) alike."""
ADDRESSES = range(0x40, 0x50)
"""Where both can be by their pins; others answer there as well."""
MANUFACTURER_ID, DIE_ID = 0xFE, 0xFF
TEXAS_INSTRUMENTS, INA226_DIE = 0x5449, 0x2260
AT_POWER_UP = 0x399F
"""The INA219's configuration."""
ADC_CODES = frozenset({*range(4), *range(8, 16)})
"""Of the INA219's table 5, as anybody writes them."""
INA219_CURRENT, INA226_CURRENT = 4096, 2048
"""What shunt times calibration is divided by: SBOS448G 8.5.1, SBOS547A 7.5.1."""
_TRIES = 4
"""A load that changes between two reads makes voltages and current differ."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What a chip is."""

    chip: str
    """ina219 or ina226; empty for one that is neither."""
    reason: str = ""
    """Why it is neither."""


@dataclass(frozen=True, slots=True)
class Words:
    """What the registers that change nothing held."""

    configuration: int
    shunt: int
    bus: int
    calibration: int

    @property
    def eight_bit(self) -> bool:
        """Whether registers of one byte explain them: each word a byte twice, or it and the next.

        An INA219's would need the very same bytes in three registers that have nothing to do with
        each other; a PCA9685's are so by its MODE1, with auto-increment and without.
        """
        words = (self.configuration, self.shunt, self.bus)
        twice = all(word >> 8 == word & 0xFF for word in (*words, self.calibration))
        chained = all(a & 0xFF == b >> 8 for a, b in pairwise(words))
        return twice or chained


def identify(device: I2cDevice, before_reset: bool = False) -> Identity:
    """Return which chip answers; registers are read, none is written.

    Args:
        device: what answers.
        before_reset: the chip is to be reset if it is known: one more register is asked.

    Raises:
        BusError: it does not answer, as a chip that has no such registers does not either.
    """
    # The calibration first: of the four it is the one that no sensor at these addresses acts on.
    calibration, bus = device.read(CALIBRATION), device.read(BUS_VOLTAGE)
    shunt, configuration = device.read(SHUNT_VOLTAGE), device.read(CONFIGURATION)
    words = Words(configuration, shunt, bus, calibration)
    if len({configuration, shunt, bus, calibration}) == 1:
        return Identity("", f"every register reads 0x{configuration:04x}")
    if words.eight_bit:
        return Identity("", "its registers are of 8 bits, as a servo or LED driver has them")
    if configuration & 0xF000 == 0x4000:
        reason = _no_ina226(device, words)
        return Identity("" if reason else "ina226", reason)
    reason = (
        _no_ina219(words)
        or _no_current(device, words, INA219_CURRENT)
        or _unstable(device, words)
        or (_no_power(device, words) if before_reset else "")
    )
    return Identity("" if reason else "ina219", reason)


def check_identity(device: I2cDevice, chip: str) -> None:
    """Make sure of a chip before the first write to it.

    Raises:
        MeterError: it is another one; nothing was written.
        BusError: it does not answer.
    """
    found = identify(device, before_reset=True)
    if found.chip != chip:
        reason = f"it is an {found.chip.upper()}" if found.chip else found.reason
        raise MeterError(
            f"{device} is no {chip.upper()}: {reason}; nothing was written to it. Check the "
            "address: edge-infer doctor lists what answers"
        )


def _no_ina226(device: I2cDevice, words: Words) -> str:
    """Return why a chip whose configuration looks like an INA226's is none, or nothing."""
    odd = (words.bus | words.calibration) & 0x8000  # both have bit 15 at 0
    reason = (
        ("bit 15 of register 02h or 05h is set" if odd else "")
        or _no_current(device, words, INA226_CURRENT)
        or _unstable(device, words)
    )
    if reason:
        return reason
    maker, die = device.read(MANUFACTURER_ID), device.read(DIE_ID)
    if (maker, die) == (TEXAS_INSTRUMENTS, INA226_DIE):
        return ""
    return f"its manufacturer and die read 0x{maker:04x} 0x{die:04x}"


def _no_ina219(words: Words) -> str:
    """Return what an INA219's registers cannot hold (SBOS448G, 8.6.2 to 8.6.4), or nothing."""
    configuration, calibration = words.configuration, words.calibration
    codes = {configuration >> 7 & 0xF, configuration >> 3 & 0xF}
    if configuration & 0xC000 or not configuration & 0x7F or not codes <= ADC_CODES:
        return f"its configuration reads 0x{configuration:04x}"
    if calibration & 1:
        return f"bit 0 of register 05h is set (0x{calibration:04x}), which an INA219 has at 0"
    limit = 4000 << (configuration >> 11 & 3)
    if abs(_signed(words.shunt)) > limit:
        return f"register 01h reads 0x{words.shunt:04x}, beyond its shunt range"
    most_steps = 8000 if configuration & 0x2000 else 4000
    if words.bus & 0b100 or words.bus >> 3 > most_steps:
        return f"register 02h reads 0x{words.bus:04x}, which is no bus voltage of an INA219"
    if configuration != AT_POWER_UP and not words.bus and not words.shunt:
        return "it measures neither a shunt nor a bus voltage"
    return ""


def _no_current(device: I2cDevice, words: Words, divisor: int) -> str:
    """Return why register 04h is no current, or nothing.

    It is shunt voltage times calibration: nothing while the calibration is 0, as after power-up.
    """
    current = 0
    for _ in range(_TRIES):
        shunt, current = _signed(device.read(SHUNT_VOLTAGE)), _signed(device.read(CURRENT))
        expected = shunt * words.calibration / divisor
        overflows = abs(expected) > 0x7FFF and words.bus & 1 and divisor == INA219_CURRENT
        if overflows or abs(current - expected) <= _slack(expected):
            return ""
    return f"register 04h reads {current}, which does not follow from 01h and 05h"


def _no_power(device: I2cDevice, words: Words) -> str:
    """Return why register 03h is no power of an INA219, or nothing: 04h times 02h over 5000."""
    power = 0
    for _ in range(_TRIES):
        current, bus = _signed(device.read(CURRENT)), device.read(BUS_VOLTAGE)
        power, expected = device.read(POWER), abs(current) * (bus >> 3) / 5000
        overflows = words.calibration and bus & 1
        if overflows or abs(power - expected) <= _slack(expected):
            return ""
    return f"register 03h reads {power}, which does not follow from 02h and 04h"


def _slack(expected: float) -> float:
    """Return what two conversions may differ by: a quarter, and some steps; at 0 nothing."""
    return 0.25 * abs(expected) + 16 if expected else 0


def _unstable(device: I2cDevice, words: Words) -> str:
    """Return that settings are none, since they read otherwise a moment later, or nothing."""
    again = device.read(CALIBRATION), device.read(CONFIGURATION)
    stays = again == (words.calibration, words.configuration)
    return "" if stays else "its settings read otherwise a moment later"


def _signed(word: int) -> int:
    return word - 0x10000 if word & 0x8000 else word
