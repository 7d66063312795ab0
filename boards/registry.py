"""Boards by name: this computer, the board it is, or a simulated one."""

import errno
import logging
from pathlib import Path

from edge_infer.boards.clock_lease import ClockLease
from edge_infer.boards.contract import Board, Thermometer
from edge_infer.boards.cpufreq import CpufreqClock
from edge_infer.boards.errors import BoardError, BusError, ClockError, UnknownBoardError
from edge_infer.boards.i2c import i2c_path
from edge_infer.boards.kernel_gauge import kernel_devices
from edge_infer.boards.linux_board import FixedClock, LinuxBoard
from edge_infer.boards.meter_config import MeterConfig, meter_file, profile_meter, read_meter_file
from edge_infer.boards.meters import open_chip, open_meter
from edge_infer.boards.power import PowerMeter
from edge_infer.boards.profile import BoardProfile, load_profile, profile_names
from edge_infer.boards.sampler import ThreadSampler
from edge_infer.boards.simulated import SimulatedBoard
from edge_infer.boards.sysfs import RealSysfs, Sysfs
from edge_infer.boards.thermal import LinuxThermometer
from edge_infer.boards.videocore import VideoCore, measured_clock_khz

DEVICE_TREE = "firmware/devicetree/base/compatible"
"""What the board is, as the firmware told the kernel: strings, each ended by a zero byte."""
HOST = "host"
SIMULATED = "sim:"


def board_names() -> tuple[str, ...]:
    """Return every name that `open_board` takes."""
    profiles = [load_profile(name) for name in profile_names() if name != HOST]
    real = [profile.name for profile in profiles if profile.place == "here"]
    return (HOST, *real, *(SIMULATED + p.name for p in profiles if _can_be_simulated(p)))


def open_board(name: str) -> Board:
    """Open a board: "host", a profile's name on that very board, or "sim:" and a profile's name.

    The meter is the one that the user's meter file states, else the profile's.

    Raises:
        UnknownBoardError: there is none of that name; the message lists what there is.
        BoardError: its clock or its meter cannot be used.
    """
    simulated = name.startswith(SIMULATED)
    profile = _profile(name, simulated)
    if simulated:
        return SimulatedBoard(profile)
    sysfs = RealSysfs()
    if name == HOST:
        return LinuxBoard(profile, FixedClock(), None, sysfs)
    _check_compatible(profile, sysfs)
    thermometer = LinuxThermometer(sysfs)
    clock = CpufreqClock(sysfs, ClockLease())
    _drop_clocks_that_lie(clock, thermometer)
    return LinuxBoard(profile, clock, _meter(profile, sysfs, thermometer), sysfs)


def detect_board(sysfs: Sysfs) -> str:
    """Return the name of the board that this computer is: "host" if it is none that is known."""
    profiles = [load_profile(name) for name in profile_names()]
    for compatible in device_tree(sysfs):
        for profile in profiles:
            if profile.place == "here" and compatible in profile.compatible:
                return profile.name
    return HOST


def device_tree(sysfs: Sysfs) -> tuple[str, ...]:
    """Return what the device tree says this computer is, the most particular first."""
    try:
        return tuple(sysfs.read(DEVICE_TREE).rstrip("\0").split("\0"))
    except OSError:
        return ()


def _can_be_simulated(profile: BoardProfile) -> bool:
    return profile.cpu is not None and profile.power is not None


def _profile(name: str, simulated: bool) -> BoardProfile:
    """Return the profile of a name that can be opened here. Raises UnknownBoardError."""
    base = name.removeprefix(SIMULATED)
    profile = load_profile(base) if base in profile_names() else None
    if profile is not None and profile.place == "wire" and not simulated:
        instead = f"; simulated: {SIMULATED}{name}" if _can_be_simulated(profile) else ""
        raise BoardError(
            f"{name} is driven over a serial line: edge-infer device status -p PORT{instead}"
        )
    known = profile is not None and (
        _can_be_simulated(profile) if simulated else profile.place == "here"
    )
    if profile is None or not known:
        raise UnknownBoardError(f"no board {name}; there are: {', '.join(board_names())}")
    return profile


def _check_compatible(profile: BoardProfile, sysfs: Sysfs) -> None:
    """Raise BoardError unless the device tree says that this computer is that board."""
    found = device_tree(sysfs)
    if profile.compatible and not set(found) & set(profile.compatible):
        raise BoardError(
            f"this computer is no {profile.title}: its device tree says "
            f"{', '.join(found) or 'nothing'}; try host or {SIMULATED}{profile.name}"
        )


def _drop_clocks_that_lie(clock: CpufreqClock, thermometer: Thermometer) -> None:
    """Offer only clocks that the hardware really runs, as its firmware measures them.

    Without a firmware to ask, without permission, or while the board is throttled, all stay.
    """
    if thermometer.throttled():
        return
    try:
        firmware = VideoCore()
    except BusError:
        return
    try:
        dropped = clock.drop_aliased(lambda: measured_clock_khz(firmware))
        clock.reset()
    except (ClockError, BusError) as error:
        logging.getLogger(__name__).warning("clocks not verified: %s", error)
        return
    finally:
        firmware.close()
    for khz, real_khz in dropped.items():
        logging.getLogger(__name__).warning(
            "clock of %g MHz dropped: the hardware runs %g MHz", khz / 1000, real_khz / 1000
        )


def _meter(profile: BoardProfile, sysfs: Sysfs, thermometer: Thermometer) -> PowerMeter | None:
    """The meter file's meter, else the profile's; None when nothing answers to the profile's.

    Raises BusError or MeterError when it is there and cannot be used.
    """
    file = meter_file()
    if file is not None:
        return open_meter(read_meter_file(file), sysfs, thermometer.throttled)
    if profile.meter is None or not Path(i2c_path(profile.meter.i2c_bus)).exists():
        return None
    chip = open_chip(profile_meter(profile.meter), sysfs)
    try:
        chip.start()
    except BusError as error:
        if error.errno in (errno.ENXIO, errno.EREMOTEIO):
            return None
        if error.errno == errno.EBUSY and kernel_devices(sysfs):
            return open_meter(MeterConfig("kernel"), sysfs, thermometer.throttled)
        raise
    return ThreadSampler(chip, thermometer.throttled)
