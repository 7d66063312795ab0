"""Boards by name: this computer, the board it is, or a simulated one."""

from typing import TYPE_CHECKING

from edge_infer.boards.contract import Board, Thermometer
from edge_infer.boards.errors import BoardError, NotSimulatedError, UnknownBoardError
from edge_infer.boards.profile import BoardProfile, load_profile, profile_names, profiles_naming
from edge_infer.boards.sysfs import RealSysfs, Sysfs

if TYPE_CHECKING:
    from edge_infer.boards.cpufreq import CpufreqClock

DEVICE_TREE = "firmware/devicetree/base/compatible"
"""What the board is, as the firmware told the kernel: strings, each ended by a zero byte."""
AUTO, AUTO_MOVED = "auto", "auto:clock"
"""The board that is there: its clock is left to the kernel, or policies move it."""
HOST = "host"
SIMULATED = "sim:"


def board_names() -> tuple[str, ...]:
    """Return every name that `open_board` takes, besides "auto"."""
    profiles = [load_profile(name) for name in profile_names() if name != HOST]
    real = [profile.name for profile in profiles if profile.place == "here"]
    return (HOST, *real, *(SIMULATED + p.name for p in profiles if _can_be_simulated(p)))


def open_board(name: str = AUTO, *, ideal: bool = False, seed: int = 0) -> Board:
    """Open a board: "auto", "host", a profile's name on that very board, or "sim:" and one.

    "auto" is the board that is there, else the host: its clock is left to the kernel's governor
    ("auto:clock": policies move it), its meter the one of the meter file or of a kernel driver. It
    opens without what is missing; `lacks` of it says what that is. A board that is named has the
    meter file's meter, else its profile's.

    Args:
        name: of the board.
        ideal: a simulated board does what its cost table says; by default the truth behind it is
            off by what such a table leaves out (`boards/simulated/truth.py`).
        seed: of a simulated board: what it is off by, and the faults of its meter.

    Raises:
        UnknownBoardError: there is none of that name; the message lists what there is.
        BoardError: its clock or its meter cannot be used.
        NotSimulatedError: a board that is not simulated cannot be ideal.
    """
    check_ideal(name, ideal)
    if name in (AUTO, AUTO_MOVED):
        # Its drivers: simulated boards need none of them.
        from edge_infer.boards.auto_board import open_auto_board

        return open_auto_board(RealSysfs(), moves_clock=name == AUTO_MOVED)
    simulated = name.startswith(SIMULATED)
    profile = _profile(name, simulated)
    return _simulated_board(profile, ideal, seed) if simulated else _board_here(profile)


def check_ideal(name: str, ideal: bool) -> None:
    """Raise NotSimulatedError where a board that is not simulated is to be ideal."""
    if ideal and not name.startswith(SIMULATED):
        raise NotSimulatedError(
            f"{name} is no simulated board, so it cannot be ideal; {SIMULATED}raspberry-pi-5 can"
        )


def detect_board(sysfs: Sysfs) -> str:
    """Return the name of the board that this computer is: "host" if it is none that is known."""
    for compatible in device_tree(sysfs):
        for profile in profiles_naming(compatible):
            if profile.place == "here" and compatible in profile.compatible:
                return profile.name
    return HOST


def device_tree(sysfs: Sysfs) -> tuple[str, ...]:
    """Return what the device tree says this computer is, the most particular first."""
    try:
        return tuple(sysfs.read(DEVICE_TREE).rstrip("\0").split("\0"))
    except OSError:
        return ()


def _simulated_board(profile: BoardProfile, ideal: bool, seed: int) -> Board:
    # No real board needs it.
    from edge_infer.boards.simulated import DISTURBED, IDEAL, SimulatedBoard

    return SimulatedBoard(profile, seed=seed, truth=IDEAL if ideal else DISTURBED)


def _board_here(profile: BoardProfile) -> Board:
    from edge_infer.boards.linux_board import FixedClock, LinuxBoard

    sysfs = RealSysfs()
    if profile.name == HOST:
        return LinuxBoard(profile, FixedClock(), None, sysfs)
    _check_compatible(profile, sysfs)
    # Drivers of clocks and meters: the host and simulated boards need none of them.
    from edge_infer.boards.meters import board_meter
    from edge_infer.boards.thermal import LinuxThermometer

    thermometer = LinuxThermometer(sysfs)
    clock = moved_clock(sysfs, thermometer)
    return LinuxBoard(profile, clock, board_meter(profile, sysfs, thermometer), sysfs)


def moved_clock(sysfs: Sysfs, thermometer: Thermometer) -> "CpufreqClock":
    """Open a board's clock for policies to set. Raises ClockError."""
    from edge_infer.boards.clock_lease import ClockLease
    from edge_infer.boards.cpufreq import CpufreqClock
    from edge_infer.boards.videocore import drop_clocks_that_lie

    clock = CpufreqClock(sysfs, ClockLease())
    drop_clocks_that_lie(clock, thermometer)
    clock.stay()
    return clock


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
        raise UnknownBoardError(f"no board {name}; there are: {', '.join((AUTO, *board_names()))}")
    return profile


def _check_compatible(profile: BoardProfile, sysfs: Sysfs) -> None:
    """Raise BoardError unless the device tree says that this computer is that board."""
    found = device_tree(sysfs)
    if profile.compatible and not set(found) & set(profile.compatible):
        raise BoardError(
            f"this computer is no {profile.title}: its device tree says "
            f"{', '.join(found) or 'nothing'}; try host or {SIMULATED}{profile.name}"
        )
