"""Boards by name: this computer, the board it is, or a simulated one."""

import errno
from pathlib import Path

from boards.clock_lease import ClockLease
from boards.contract import Board, Thermometer
from boards.cpufreq import CpufreqClock
from boards.errors import BoardError, BusError, UnknownBoardError
from boards.fixed_clock import FixedClock
from boards.i2c_bus import i2c_path, open_i2c_bus
from boards.i2c_device import I2cDevice
from boards.ina219 import Ina219
from boards.ina219_registers import Ina219Settings
from boards.linux_board import LinuxBoard
from boards.power import PowerMeter
from boards.profile import BoardProfile, load_profile, profile_names
from boards.profile_sections import MeterProfile
from boards.sampler import ThreadSampler
from boards.simulated import SimulatedBoard
from boards.sysfs import RealSysfs, Sysfs
from boards.thermal import LinuxThermometer
from boards.timebase import MonotonicTimebase

DEVICE_TREE = "firmware/devicetree/base/compatible"
"""What the board is, as the firmware told the kernel: strings, each ended by a zero byte."""
HOST = "host"
SIMULATED = "sim:"


def board_names() -> tuple[str, ...]:
    """Return every name that `open_board` takes."""
    profiles = [name for name in profile_names() if name != HOST]
    return (HOST, *profiles, *(SIMULATED + name for name in profiles))


def open_board(name: str) -> Board:
    """Open a board: "host", a profile's name on that very board, or "sim:" and a profile's name.

    Raises:
        UnknownBoardError: there is none of that name; the message lists what there is.
        BoardError: its clock or its meter cannot be used.
    """
    if name not in board_names():
        raise UnknownBoardError(f"no board {name}; there are: {', '.join(board_names())}")
    if name.startswith(SIMULATED):
        return SimulatedBoard(load_profile(name.removeprefix(SIMULATED)))
    profile, sysfs = load_profile(name), RealSysfs()
    if name == HOST:
        return LinuxBoard(profile, FixedClock(), None, sysfs)
    _check_compatible(profile, sysfs)
    return LinuxBoard(
        profile, CpufreqClock(sysfs, ClockLease()), _meter(profile, LinuxThermometer(sysfs)), sysfs
    )


def _check_compatible(profile: BoardProfile, sysfs: Sysfs) -> None:
    """Raise BoardError unless the device tree says that this computer is that board."""
    try:
        found = sysfs.read(DEVICE_TREE).rstrip("\0").split("\0")
    except OSError:
        found = []
    if not set(found) & set(profile.compatible):
        raise BoardError(
            f"this computer is no {profile.title}: its device tree says "
            f"{', '.join(found) or 'nothing'}; try host or {SIMULATED}{profile.name}"
        )


def _meter(profile: BoardProfile, thermometer: Thermometer) -> PowerMeter | None:
    """The profile's meter, or None when its bus is absent or nothing answers there.

    Raises BusError or MeterError when it is there and cannot be used.
    """
    if profile.meter is None or not Path(i2c_path(profile.meter.i2c_bus)).exists():
        return None
    chip = _ina219(profile.meter)
    try:
        chip.start()
    except BusError as error:
        if error.errno in (errno.ENXIO, errno.EREMOTEIO):
            return None
        raise
    return ThreadSampler(chip, thermometer.throttled)


def _ina219(meter: MeterProfile) -> Ina219:
    path = i2c_path(meter.i2c_bus)
    settings = Ina219Settings(
        meter.bus_range_v, meter.shunt_range_mv, meter.adc_bits, meter.adc_samples
    )
    return Ina219(
        I2cDevice(open_i2c_bus(meter.i2c_bus), meter.address, path),
        MonotonicTimebase(),
        shunt_uohm=meter.shunt_uohm,
        shunt_tolerance_ppm=meter.shunt_tolerance_ppm,
        settings=settings,
    )
