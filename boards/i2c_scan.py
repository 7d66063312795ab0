"""Which power monitors answer on the I2C buses of this computer; registers are read, none written.

Even a read sends a chip the register's number: `chip_identity` says which it can be told without
harm. Where that is too much, name the meter: then no other address is asked.
"""

import errno
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_infer.boards.chip_identity import ADDRESSES, identify
from edge_infer.boards.errors import BusError
from edge_infer.boards.i2c import I2cDevice, RegisterBus, open_i2c_bus


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found at an address."""

    bus: int
    address: int
    chip: str
    """ina226, "ina219 or alike" (an INA220 is), "kernel driver" where one holds the
    address, or "another chip"."""
    reason: str = ""
    """Why it is none that is known."""


def bus_numbers(dev: Path = Path("/dev")) -> tuple[int, ...]:
    """Return the I2C buses with a device file, ascending."""
    digits = (path.name.removeprefix("i2c-") for path in dev.glob("i2c-*"))
    return tuple(sorted(int(number) for number in digits if number.isdigit()))


def scan(
    bus: int,
    addresses: Sequence[int] = ADDRESSES,
    open_bus: Callable[[int], RegisterBus] = open_i2c_bus,
) -> list[Answer]:
    """Return what answers. Raises BusError when the bus cannot be opened."""
    opened = open_bus(bus)
    try:
        devices = {address: I2cDevice(opened, address, retries=0) for address in addresses}
        found = [_look(device, bus, address) for address, device in devices.items()]
    finally:
        opened.close()
    return [answer for answer in found if answer is not None]


def _look(device: I2cDevice, bus: int, address: int) -> Answer | None:
    try:
        found = identify(device)
    except BusError as error:
        held = error.errno == errno.EBUSY
        return Answer(bus, address, "kernel driver") if held else None
    if found.chip == "ina219":
        return Answer(bus, address, "ina219 or alike")
    return Answer(bus, address, found.chip or "another chip", found.reason)
