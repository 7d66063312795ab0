"""The board that is there: detected, its clock left alone or moved, and a meter that was named.

No bus is searched: a meter is the one of the meter file, or what a kernel driver holds. What is
missing becomes a sentence with what mends it, and the run goes on without.
"""

import os
from pathlib import Path

from edge_infer.boards.clock_lease import ClockLease
from edge_infer.boards.contract import Clock
from edge_infer.boards.cpufreq import CpufreqClock
from edge_infer.boards.errors import BusError, ClockError, MeterError
from edge_infer.boards.linux_board import FixedClock, KernelsClock, LinuxBoard
from edge_infer.boards.meter_config import user_meter_file
from edge_infer.boards.meters import accountable_meter, named_meter
from edge_infer.boards.power import PowerMeter
from edge_infer.boards.profile import BoardProfile, load_profile
from edge_infer.boards.registry import HOST, detect_board, moved_clock
from edge_infer.boards.sysfs import Sysfs
from edge_infer.boards.thermal import LinuxThermometer

DEV = Path("/dev")
I2C_OFF = "sudo modprobe i2c-dev; on a Raspberry Pi: sudo raspi-config nonint do_i2c 0"
I2C_FORBIDDEN = "sudo usermod -aG i2c $USER and log in again"
NO_BOARD = (
    "this computer is no board that is known: its clock is left alone, whatever the policy; "
    "--board sim:raspberry-pi-5 simulates one, --board linux has this computer's own clocks"
)


def open_auto_board(sysfs: Sysfs, moves_clock: bool) -> LinuxBoard:
    """Open the board that this computer is; `lacks` of it says what is missing.

    Args:
        sysfs: the kernel's files.
        moves_clock: policies set its clock; else nothing is written to it.

    Raises:
        ClockError: the clock is to be moved and cannot be.
    """
    profile = load_profile(detect_board(sysfs))
    thermometer, lacks = LinuxThermometer(sysfs), [NO_BOARD] if profile.name == HOST else []
    clock = _clock(profile, sysfs, moves_clock, lacks)
    meter = _meter(profile, sysfs, thermometer, lacks)
    return LinuxBoard(profile, clock, meter, sysfs, lacks)


def _clock(profile: BoardProfile, sysfs: Sysfs, moves: bool, lacks: list[str]) -> Clock:
    known = profile.name != HOST
    if moves and known:
        CpufreqClock(sysfs).check_writable()
        return moved_clock(sysfs, LinuxThermometer(sysfs))
    if moves:
        return FixedClock()
    try:
        # What a run that was killed left behind is put back with this.
        return KernelsClock(CpufreqClock(sysfs, ClockLease()))
    except ClockError as error:
        if known:
            lacks.append(f"the clock is not known: {error}; edge-infer doctor says more")
        return KernelsClock()


def _meter(
    profile: BoardProfile, sysfs: Sysfs, thermometer: LinuxThermometer, lacks: list[str]
) -> PowerMeter | None:
    """Return the meter that was named, once it has answered."""
    try:
        config = named_meter(sysfs)
        if config is not None:
            meter = accountable_meter(config, sysfs, thermometer.throttled)
            meter.start()
            meter.stop()
            return meter
    except (BusError, MeterError) as error:
        lacks.append(f"energies are not measured: {error}")
        return None
    if profile.name != HOST:
        lacks.append(f"energies are not measured: {_mend()}")
    return None


def _mend(dev: Path | None = None) -> str:
    """Return why there is no meter, and what helps."""
    buses = sorted((dev or DEV).glob("i2c-*"))
    if not buses:
        return f"I2C is off: {I2C_OFF}"
    if not any(os.access(bus, os.R_OK | os.W_OK) for bus in buses):
        return f"no permission for {buses[0]}: {I2C_FORBIDDEN}"
    return (
        "no power meter is named; edge-infer doctor says what answers, edge-infer power calibrate "
        '--meter ina219 --known-load ... names it, or, uncalibrated, the line kind = "ina219" in '
        f"{user_meter_file()}"
    )
