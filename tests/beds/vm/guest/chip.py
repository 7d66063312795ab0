"""Plays an INA219's conversions into the registers of i2c-stub, which are plain memory.

It runs in a process of its own. i2c-stub neither converts nor clears anything by itself, so the
ready flag stands for the first half of a conversion time only, and a reset is answered here.
"""

import time
from collections.abc import Callable

from smbus2 import SMBus
from tests.beds.vm.guest.child import Child
from tests.beds.vm.guest.machine import modprobe

from edge_infer.boards.ina219 import (
    BUS_VOLTAGE,
    CONFIGURATION,
    CONFIGURATION_AT_RESET,
    CONVERSION_READY,
    RESET,
    SHUNT_VOLTAGE,
)

ADDRESS = 0x40
OTHER_CHIP = 0x41
NOBODY = 0x42
POLL_S = 0.0003


def load_stub() -> None:
    """Let there be a bus, /dev/i2c-0 if none was before, with registers at two addresses."""
    modprobe("i2c-dev")
    modprobe("i2c-stub", f"chip_addr={ADDRESS:#x},{OTHER_CHIP:#x}")


class StubChip:
    """The registers of one address, written and read past the kernel's own driver."""

    def __init__(self, address: int = ADDRESS, bus: int = 0) -> None:
        self._bus = SMBus(bus)
        self._address = address

    def write(self, register: int, word: int) -> None:
        """Set a register."""
        swapped = (word & 0xFF) << 8 | word >> 8
        self._bus.write_word_data(self._address, register, swapped, force=True)

    def read(self, register: int) -> int:
        """Return a register."""
        word = self._bus.read_word_data(self._address, register, force=True)
        return (word & 0xFF) << 8 | word >> 8

    def close(self) -> None:
        """Free the bus."""
        self._bus.close()


def playing(
    shunt_code: int, bus_mv: int, pair_ns: int, address: int = ADDRESS, always_ready: bool = False
) -> Child:
    """Return a process that converts constant values until it is killed."""

    def play(say: Callable[[str], None]) -> None:
        chip = StubChip(address)
        ready = bus_mv // 4 << 3 | CONVERSION_READY
        chip.write(CONFIGURATION, CONFIGURATION_AT_RESET)
        chip.write(SHUNT_VOLTAGE, shunt_code & 0xFFFF)
        chip.write(BUS_VOLTAGE, ready)
        say("playing")
        ended_ns, set_ = time.monotonic_ns(), True
        while True:
            if chip.read(CONFIGURATION) & RESET:
                chip.write(CONFIGURATION, CONFIGURATION_AT_RESET)
            time.sleep(POLL_S)
            now_ns = time.monotonic_ns()
            if always_ready or now_ns < ended_ns + pair_ns // 2:
                continue
            if set_:
                chip.write(BUS_VOLTAGE, ready & ~CONVERSION_READY)
                set_ = False
            elif now_ns >= ended_ns + pair_ns:
                chip.write(BUS_VOLTAGE, ready)
                set_, ended_ns = True, ended_ns + pair_ns

    child = Child(play)
    assert child.line() == "playing"
    return child
