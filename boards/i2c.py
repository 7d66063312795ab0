"""Chips on an I2C bus: 16-bit registers, high byte first, with bounded retry.

The bus a driver is given is shaped like smbus2.SMBus, so that object serves as it is.
"""

import errno
import logging
from typing import Protocol, cast

from edge_infer.boards.errors import BusError

_log = logging.getLogger(__name__)

ADVICE = {
    errno.ENOENT: "there is no such bus: enable I2C (sudo raspi-config nonint do_i2c 0)",
    errno.EACCES: "no permission: add your user to the group i2c and log in again",
    errno.EBUSY: "a kernel driver holds the address: read it through hwmon or unbind it",
    errno.ENODEV: "the bus is gone: is its adapter still plugged in?",
    errno.ENXIO: "nothing answers there: check wiring and address (i2cdetect -y BUS)",
    errno.EREMOTEIO: "nothing answers there: check wiring and address (i2cdetect -y BUS)",
    errno.ETIMEDOUT: "the bus hangs: check pull-ups and cable length, lower the bus clock",
}
FATAL = frozenset({errno.EACCES, errno.EBUSY, errno.ENODEV, errno.ENOENT})
"""Errors that asking again does not mend."""


class RegisterBus(Protocol):
    """SMBus word transfers. Words come low byte first, as SMBus sends them."""

    def read_word_data(self, i2c_addr: int, register: int) -> int:
        """Return the 16-bit word of a register. Raises OSError."""
        ...

    def write_word_data(self, i2c_addr: int, register: int, value: int) -> None:
        """Write a 16-bit word to a register. Raises OSError."""
        ...

    def close(self) -> None:
        """Free the bus."""
        ...


def i2c_path(number: int) -> str:
    """Return the device file of bus `number`."""
    return f"/dev/i2c-{number}"


def bus_error(error: OSError, where: str) -> BusError:
    """Return the BusError for an OSError, with the place and what to try."""
    code = error.errno or 0
    name = errno.errorcode.get(code, str(error))
    advice = ADVICE.get(code, "check the wiring and the kernel log (dmesg)")
    translated = BusError(f"{where}: {name}; {advice}")
    translated.errno = code
    return translated


def open_i2c_bus(number: int) -> RegisterBus:
    """Open /dev/i2c-`number`. Raises BusError if it is absent or not permitted."""
    from smbus2 import SMBus  # its import needs fcntl, absent where no I2C bus is either

    try:
        bus = cast(RegisterBus, SMBus(number))
    except OSError as error:
        raise bus_error(error, i2c_path(number)) from error
    return LoggedBus(bus, i2c_path(number)) if _log.isEnabledFor(logging.DEBUG) else bus


class LoggedBus:
    """Fulfils RegisterBus: another one whose transfers are logged, bytes as the wire has them."""

    def __init__(self, bus: RegisterBus, path: str) -> None:
        self._bus = bus
        self._path = path

    def read_word_data(self, i2c_addr: int, register: int) -> int:
        """See RegisterBus."""
        try:
            word = self._bus.read_word_data(i2c_addr, register)
        except OSError as error:
            self._note("<", i2c_addr, register, str(error))
            raise
        self._note("<", i2c_addr, register, word.to_bytes(2, "little").hex(" "))
        return word

    def write_word_data(self, i2c_addr: int, register: int, value: int) -> None:
        """See RegisterBus."""
        self._note(">", i2c_addr, register, value.to_bytes(2, "little").hex(" "))
        self._bus.write_word_data(i2c_addr, register, value)

    def close(self) -> None:
        """See RegisterBus."""
        self._bus.close()

    def _note(self, way: str, address: int, register: int, what: str) -> None:
        _log.debug("%s 0x%02x %s %02x: %s", self._path, address, way, register, what)


class I2cDevice:
    """The registers of the chip at `address`.

    Args:
        bus: the bus, open.
        address: 7-bit address.
        path: name of the bus, for messages.
        retries: how often a failed transaction is repeated.
    """

    def __init__(
        self, bus: RegisterBus, address: int, path: str = "I2C bus", retries: int = 2
    ) -> None:
        self._bus = bus
        self._address = address
        self._where = f"{path} address 0x{address:02x}"
        self._retries = retries
        self.repeated = 0
        """Transactions that had to be repeated."""

    @property
    def attempts(self) -> int:
        """Most transactions that one read or write makes on the bus."""
        return self._retries + 1

    def __str__(self) -> str:
        return self._where

    def read(self, register: int) -> int:
        """Return the unsigned 16-bit register. Raises BusError after the last retry."""
        left = self._retries
        while True:
            try:
                word = self._bus.read_word_data(self._address, register)
                return (word & 0xFF) << 8 | word >> 8
            except OSError as error:
                left = self._again(error, left)

    def write(self, register: int, value: int) -> None:
        """Write the unsigned 16-bit register. Raises BusError after the last retry."""
        swapped = (value & 0xFF) << 8 | value >> 8
        left = self._retries
        while True:
            try:
                self._bus.write_word_data(self._address, register, swapped)
                return
            except OSError as error:
                left = self._again(error, left)

    def _again(self, error: OSError, left: int) -> int:
        """Return the retries left, or raise when there are none or none would help."""
        if left == 0 or error.errno in FATAL:
            raise bus_error(error, self._where) from error
        self.repeated += 1
        _log.info("%s: asked again after %s", self._where, error)
        return left - 1
