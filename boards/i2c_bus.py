"""The I2C bus a chip driver is given: shaped like smbus2.SMBus, so that object serves as it is."""

import errno
from typing import Protocol, cast

from edge_infer.boards.errors import BusError


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


ADVICE = {
    errno.ENOENT: "there is no such bus: enable I2C (sudo raspi-config nonint do_i2c 0)",
    errno.EACCES: "no permission: add your user to the group i2c and log in again",
    errno.EBUSY: "a kernel driver holds the address: read it through hwmon or unbind it",
    errno.ENODEV: "the bus is gone: is its adapter still plugged in?",
    errno.ENXIO: "nothing answers there: check wiring and address (i2cdetect -y BUS)",
    errno.EREMOTEIO: "nothing answers there: check wiring and address (i2cdetect -y BUS)",
    errno.ETIMEDOUT: "the bus hangs: check pull-ups and cable length, lower the bus clock",
}


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
        return cast(RegisterBus, SMBus(number))
    except OSError as error:
        raise bus_error(error, i2c_path(number)) from error
