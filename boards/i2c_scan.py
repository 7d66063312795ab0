"""Which power monitors answer on the I2C buses of this computer; looks, and changes nothing."""

import errno
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_infer.boards.errors import BusError
from edge_infer.boards.i2c import I2cDevice, RegisterBus, open_i2c_bus
from edge_infer.boards.ina226 import DIE_ID, INA226_DIE

ADDRESSES = range(0x40, 0x50)
"""Where INA219 and INA226 can be; others may answer there as well."""
CONFIGURATION = 0x00
INA219_RESERVED = 0xC000
"""Bits 15 and 14 of the INA219's configuration: reset and a reserved one, both read as 0."""
INA219_ADC_MODE = 0x0007


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found at an address."""

    bus: int
    address: int
    chip: str
    """ina226, "ina219 or alike", or "kernel driver" where one holds the address."""


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
        word = device.read(CONFIGURATION)
    except BusError as error:
        held = error.errno == errno.EBUSY
        return Answer(bus, address, "kernel driver") if held else None
    try:
        if device.read(DIE_ID) == INA226_DIE:
            return Answer(bus, address, "ina226")
    except BusError:
        pass
    looks_right = not word & INA219_RESERVED and word & INA219_ADC_MODE
    return Answer(bus, address, "ina219 or alike" if looks_right else "another chip")
