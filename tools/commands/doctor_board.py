"""What doctor looks at on the board: buses, clocks, throttling, the meter; it changes nothing."""

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from edge_infer.boards.auto_board import I2C_FORBIDDEN, I2C_OFF
from edge_infer.boards.clock_lease import DEFAULT_FOLDER, ClockLease
from edge_infer.boards.cpufreq import CpufreqClock
from edge_infer.boards.cpufreq_policy import (
    GOVERNOR,
    MAX_KHZ,
    MIN_KHZ,
    POLICIES,
    SETSPEED,
    CpufreqPolicy,
    find_policies,
)
from edge_infer.boards.errors import BoardError, BusError, ClockError, GpioError
from edge_infer.boards.gpio import DEVICES, GpioChip, Ioctl, chip_names
from edge_infer.boards.i2c_scan import bus_numbers, scan
from edge_infer.boards.kernel_gauge import kernel_devices
from edge_infer.boards.meter_config import meter_file, read_meter_file
from edge_infer.boards.profile import load_profile
from edge_infer.boards.registry import detect_board
from edge_infer.boards.sysfs import Sysfs
from edge_infer.boards.thermal import flags_file
from edge_infer.boards.videocore import VideoCore, measured_clock_khz
from edge_infer.commands.doctor_system import Finding, Status

THROTTLE_BITS = {
    0: "the supply voltage is too low now",
    1: "the clock is capped now",
    2: "throttled now",
    3: "the soft temperature limit is reached now",
    16: "the supply voltage has been too low since boot",
    17: "the clock has been capped since boot",
    18: "throttled since boot",
    19: "the soft temperature limit has been reached since boot",
}
"""Raspberry Pi documentation, os/graphics-utilities/vcgencmd, get_throttled."""
INSTALL = "edge-infer install-service --dry-run shows the rules that give your group the right"


def board_findings(sysfs: Sysfs) -> Iterator[Finding]:
    """Say which board this is."""
    profile = load_profile(detect_board(sysfs))
    status: Status = "note" if profile.advice else "ok"
    yield Finding("board", status, f"{profile.title}: --board {profile.name}", profile.advice)


def i2c_findings(dev: Path = Path("/dev")) -> Iterator[Finding]:
    """Look for buses, the right to use them, and power monitors on them."""
    numbers = bus_numbers(dev)
    if not numbers:
        yield Finding("i2c", "note", f"no I2C bus: {dev}/i2c-* is empty", I2C_OFF)
    for number in numbers:
        name = f"i2c-{number}"
        try:
            answers = scan(number)
        except BusError as error:
            yield Finding(name, "problem", str(error).partition(";")[0], _i2c_mend())
            continue
        found = ", ".join(
            f"0x{a.address:02x} {a.chip}" + (f" ({a.reason})" if a.reason else "") for a in answers
        )
        yield Finding(name, "ok", f"at 0x40 to 0x4f: {found or 'nothing answers'}")


def meter_findings(sysfs: Sysfs) -> Iterator[Finding]:
    """Say which meter would be used."""
    for device in kernel_devices(sysfs):
        text = f"the kernel drives an {device.chip} as {device.name}: --meter kernel:{device.name}"
        yield Finding("meter", "ok", text)
    file = meter_file()
    if file is None:
        mend = "edge-infer power calibrate --known-load ... --known-load ..."
        yield Finding(
            "meter file", "note", "none: run measures with what a kernel driver has", mend
        )
        return
    try:
        config = read_meter_file(file)
    except BoardError as error:
        yield Finding("meter file", "problem", str(error), f"correct or remove {file}")
        return
    known = "calibrated" if config.calibration else "not calibrated"
    yield Finding("meter file", "ok", f"{file}: {config}, {known}")


def gpio_findings(devices: Path = DEVICES, ioctl: Ioctl = fcntl.ioctl) -> Iterator[Finding]:
    """Look at the chips whose lines `run --marker` can drive, and the right to do so."""
    for name in chip_names(devices):
        try:
            with GpioChip(name, devices, ioctl) as chip:
                info = chip.info()
        except GpioError as error:
            mend = "sudo usermod -aG gpio $USER and log in again; " + INSTALL
            yield Finding(name, "note", str(error), mend)
            continue
        yield Finding(name, "ok", f"{info.label}, {info.lines} lines: --marker {name}:LINE")


def clock_findings(sysfs: Sysfs, folder: Path = DEFAULT_FOLDER) -> Iterator[Finding]:
    """Look at policies, governors and the right to change them."""
    try:
        policies = find_policies(sysfs)
    except ClockError as error:
        mend = "--board host and sim:NAME need none; else load the cpufreq driver of your board"
        yield Finding("clock", "note", str(error), mend)
        return
    for policy in policies:
        yield _policy_finding(sysfs, policy)
    if ClockLease(folder).exists():
        mend = "edge-infer boards restore"
        text = f"{folder}/clock.json: a run holds the clock, or one was killed and left it changed"
        yield Finding("clock", "note", text, mend)


def lying_clock_findings(sysfs: Sysfs) -> Iterator[Finding]:
    """Set every clock and compare with what the hardware runs; puts back what was found."""
    if not sysfs.names(POLICIES):
        return
    try:
        firmware = VideoCore()
    except BusError:
        firmware = None
    try:
        clock = CpufreqClock(sysfs, ClockLease())
        measure = None if firmware is None else lambda: measured_clock_khz(firmware)
        lies = clock.check_clocks(measure)
        clock.reset()
    except BoardError as error:
        yield Finding("clocks", "problem", f"not checked: {error}", INSTALL)
        return
    by = "the firmware's measure" if firmware else "cpuinfo_cur_freq, or the kernel's own word"
    for khz, real_khz in lies.items():
        text = f"{khz / 1000:g} MHz runs as {real_khz / 1000:g} MHz by {by}"
        yield Finding("clocks", "problem", text, "leave it out; look at temperature and supply")
    if not lies:
        yield Finding("clocks", "ok", f"{len(clock.supported_khz())} clocks run as asked by {by}")


def throttle_findings(sysfs: Sysfs) -> Iterator[Finding]:
    """Say what the firmware remembers of throttling."""
    try:
        bits = int(sysfs.read(flags_file(sysfs)), 16)
    except (OSError, ValueError):
        return
    seen = [text for bit, text in THROTTLE_BITS.items() if bits >> bit & 1]
    if not seen:
        yield Finding("throttling", "ok", "never since boot")
    for text in seen:
        now = text.endswith("now")
        mend = "use the board's own supply and a short cable" if "voltage" in text else "cool it"
        yield Finding("throttling", "problem" if now else "note", text, mend)


def _policy_finding(sysfs: Sysfs, policy: CpufreqPolicy) -> Finding:
    clocks = f"{policy.clocks_khz[0] / 1000:g} to {policy.clocks_khz[-1] / 1000:g} MHz"
    way = "userspace governor" if policy.has_userspace else "limits: there is no userspace governor"
    text = f"{policy.name}: {clocks}, governor {policy.read(GOVERNOR)}, set through {way}"
    files = (GOVERNOR, SETSPEED) if policy.has_userspace else (MIN_KHZ, MAX_KHZ)
    where = [sysfs.where(f"{POLICIES}/{policy.name}/{name}") for name in files]
    if not all(os.access(file, os.W_OK) for file in where):
        return Finding("clock", "problem", f"{text}; you may not write it", INSTALL)
    return Finding("clock", "ok", text)


def _i2c_mend() -> str:
    return f"{I2C_FORBIDDEN}; {INSTALL}"
