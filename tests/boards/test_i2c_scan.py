import errno
import os
from pathlib import Path

import pytest

from edge_infer.boards.errors import BusError
from edge_infer.boards.i2c_scan import Answer, bus_numbers, scan


class Addresses:
    """Chips by address: registers as the chip means them, or an errno."""

    def __init__(self, chips: dict[int, dict[int, int] | int]) -> None:
        self.chips = chips
        self.wrote = self.closed = False

    def read_word_data(self, i2c_addr: int, register: int) -> int:
        chip = self.chips.get(i2c_addr, errno.ENXIO)
        if isinstance(chip, int):
            raise OSError(chip, os.strerror(chip))
        word = chip.get(register, 0)
        return word >> 8 | (word & 0xFF) << 8

    def write_word_data(self, i2c_addr: int, register: int, value: int) -> None:
        self.wrote = True

    def close(self) -> None:
        self.closed = True


def test_chips_are_told_apart_and_nothing_is_written() -> None:
    bus = Addresses(
        {
            0x40: {0x00: 0x399F, 0x02: 0x2712},
            0x41: {0x00: 0x4127, 0xFE: 0x5449, 0xFF: 0x2260},
            0x44: {0x00: 0xFFFF},
            0x48: errno.EBUSY,
        }
    )
    assert scan(1, open_bus=lambda number: bus) == [
        Answer(1, 0x40, "ina219 or alike"),
        Answer(1, 0x41, "ina226"),
        Answer(
            1,
            0x44,
            "another chip",
            "its registers are of 8 bits, as a servo or LED driver has them",
        ),
        Answer(1, 0x48, "kernel driver"),
    ]
    assert bus.closed and not bus.wrote


def test_a_bus_that_cannot_be_opened_is_an_error() -> None:
    with pytest.raises(BusError, match="i2c-4077"):
        scan(4077)


def test_buses_are_numbered_by_their_device_files(tmp_path: Path) -> None:
    for name in ("i2c-20", "i2c-1", "i2c-x", "ttyS0"):
        (tmp_path / name).write_text("")
    assert bus_numbers(tmp_path) == (1, 20)
