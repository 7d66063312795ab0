"""One chip on an I2C bus: 16-bit registers, high byte first, with bounded retry."""

import errno

from edge_infer.boards.i2c_bus import RegisterBus, bus_error

FATAL = frozenset({errno.EACCES, errno.EBUSY, errno.ENODEV, errno.ENOENT})
"""Errors that asking again does not mend."""


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
        return left - 1
