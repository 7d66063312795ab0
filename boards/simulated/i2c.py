"""A simulated I2C bus, shaped like smbus2.SMBus, with a time of its own."""

import errno
from random import Random
from typing import Protocol

from edge_infer.boards.timebase import NEVER_NS

READ_WORD_BITS = 1 + 9 + 9 + 1 + 9 + 9 + 9 + 1
"""Start, address, register, repeated start, address, two bytes, stop."""
WRITE_WORD_BITS = 1 + 9 + 9 + 9 + 9 + 1
"""Start, address, register, two bytes, stop."""


class RegisterChip(Protocol):
    """A chip of 16-bit registers that change with time."""

    def read(self, register: int, now_ns: int) -> int:
        """Return a register's 16 bits."""
        ...

    def write(self, register: int, value: int, now_ns: int) -> None:
        """Take a register write."""
        ...


class BusTime:
    """How far the bus has got. It is read and waited on like any timebase."""

    def __init__(self) -> None:
        self.at_ns = 0

    def now_ns(self) -> int:
        """Return the time on the bus."""
        return self.at_ns

    def sleep_until_ns(self, until_ns: int) -> None:
        """Leave the bus idle until `until_ns`."""
        if until_ns > self.at_ns:
            self.at_ns = until_ns


class SimulatedI2cBus:
    """One chip at one address; every transaction takes its time.

    Args:
        chip: the chip.
        address: its 7-bit address.
        time: advanced by every transaction.
        hz: bus clock.
        lost_ppm: share of transactions that nobody acknowledges, in parts per million.
        fails_at_ns: from then on nothing answers any more.
        seed: of the losses.
    """

    def __init__(
        self,
        chip: RegisterChip,
        address: int,
        time: BusTime,
        hz: int = 400_000,
        lost_ppm: int = 0,
        fails_at_ns: int = NEVER_NS,
        seed: int = 0,
    ) -> None:
        self._chip = chip
        self._address = address
        self._time = time
        self.read_ns = READ_WORD_BITS * 1_000_000_000 // hz
        """Time of one word read."""
        self._write_ns = WRITE_WORD_BITS * 1_000_000_000 // hz
        self._lost = lost_ppm / 1e6
        self._fails_at_ns = fails_at_ns
        self._random = Random(seed).random

    def read_word_data(self, i2c_addr: int, register: int) -> int:
        """Return a register, low byte first. Raises OSError (EREMOTEIO) without an answer."""
        self._time.at_ns = at_ns = self._time.at_ns + self.read_ns
        self._acknowledge(i2c_addr, at_ns)
        word = self._chip.read(register, at_ns)
        return (word & 0xFF) << 8 | word >> 8

    def write_word_data(self, i2c_addr: int, register: int, value: int) -> None:
        """Write a register, low byte first. Raises OSError (EREMOTEIO) without an answer."""
        self._time.at_ns = at_ns = self._time.at_ns + self._write_ns
        self._acknowledge(i2c_addr, at_ns)
        self._chip.write(register, (value & 0xFF) << 8 | value >> 8, at_ns)

    def close(self) -> None:
        """Nothing to free."""

    def _acknowledge(self, address: int, at_ns: int) -> None:
        lost = self._lost and self._random() < self._lost
        if lost or address != self._address or at_ns >= self._fails_at_ns:
            raise OSError(errno.EREMOTEIO, "Remote I/O error")
