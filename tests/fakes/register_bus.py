"""I2C buses of few tricks: a table of registers, and errors on demand."""

import os
from collections import deque

INA219_AT_RESET = {0x00: 0x399F, 0x01: 5000, 0x02: 1250 << 3 | 2, 0x03: 0, 0x04: 0, 0x05: 0}
"""50 mV over the shunt, 5 V."""


class TableBus:
    """Answers from a table of registers, high byte first as a chip means them.

    Args:
        registers: what reads return; writes go in there.
        errors: an errno for each of the next transactions, 0 for none; none when it runs out.
    """

    def __init__(self, registers: dict[int, int], errors: tuple[int, ...] = ()) -> None:
        self.registers = registers
        self.errors = deque(errors)
        self.written: list[tuple[int, int, int]] = []

    def read_word_data(self, i2c_addr: int, register: int) -> int:
        """Return the register, low byte first."""
        self._fail()
        word = self.registers[register]
        return word >> 8 | (word & 0xFF) << 8

    def write_word_data(self, i2c_addr: int, register: int, value: int) -> None:
        """Take a word, low byte first, as the master sent it."""
        self._fail()
        self.written.append((i2c_addr, register, value))
        self.registers[register] = value >> 8 | (value & 0xFF) << 8

    def close(self) -> None:
        """Nothing to free."""

    def _fail(self) -> None:
        code = self.errors.popleft() if self.errors else 0
        if code:
            raise OSError(code, os.strerror(code))
