"""Opens what a survey is of: a simulated board, or the computer that this runs on."""

import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import resources
from typing import Any, NamedTuple

from edge_infer.boards import open_board
from edge_infer.boards.clock_lease import ClockLease
from edge_infer.boards.contract import Clock
from edge_infer.boards.cpufreq import CpufreqClock
from edge_infer.boards.errors import BoardError, BusError, ClockError, MeterError
from edge_infer.boards.linux_board import FixedClock, LinuxBoard
from edge_infer.boards.meter_config import MeterConfig
from edge_infer.boards.meters import named_meter, open_meter
from edge_infer.boards.power import PowerMeter
from edge_infer.boards.profile import BoardProfile, load_profile
from edge_infer.boards.registry import AUTO, HOST, SIMULATED, detect_board, device_tree
from edge_infer.boards.simulated import SimulatedBoard
from edge_infer.boards.sysfs import RealSysfs, Sysfs
from edge_infer.boards.thermal import LinuxThermometer
from edge_infer.lab.survey.computer import nominal_khz
from edge_infer.lab.survey.real_runner import RealRunner, cores_here
from edge_infer.lab.survey.rig import Rig
from edge_infer.lab.survey.simulated_runner import SimulatedRunner
from edge_infer.models_tflite import Backend, open_bundle

UNDESCRIBED = (HOST, "linux")
"""Profiles that state nothing of a board."""
NO_CLOCK = "the clock is left alone: {}; edge-infer doctor says more"


@contextmanager
def open_rig(name: str, meter: MeterConfig | None, backend: Backend) -> Iterator[Rig]:
    """Open a board to be surveyed; leaving puts back the clock that was found.

    Args:
        name: auto, host, a profile's name on that very board, or sim:NAME.
        meter: the one to use; that of the meter file or of a kernel driver if None.
        backend: kernels of a real board.

    Raises:
        UnknownBoardError: there is no such board.
        BoardError: it is another, or its meter cannot be opened.
    """
    if name.startswith(SIMULATED):
        with open_board(name) as board:
            assert isinstance(board, SimulatedBoard)
            yield _simulated(board)
        return
    sysfs = RealSysfs()
    profile = _profile_here(name, sysfs)
    clock, no_clock = _clock(sysfs, name)
    found = _meter(sysfs, name, meter)
    with LinuxBoard(profile, clock, found.meter, sysfs) as board:
        cores = cores_here(clock.cpus if isinstance(clock, CpufreqClock) else frozenset())
        runner = RealRunner(
            backend, cores, sysfs, found.config, open_bundle, lambda: open_board(HOST)
        )
        rig = Rig(board, runner, cores, no_clock=no_clock)
        rig.no_meter = found.lacks or rig.no_meter
        yield rig


def base_document(name: str) -> Mapping[str, Any]:
    """Return the document of a described board's profile; empty for one that nobody described."""
    if name in UNDESCRIBED:
        return {}
    text = (resources.files("edge_infer.boards") / f"profiles/{name}.toml").read_text("utf-8")
    return tomllib.loads(text)


def _simulated(board: SimulatedBoard) -> Rig:
    cpu = board.profile.cpu
    assert cpu is not None  # simulated boards have one
    said = {
        "model": board.profile.title,
        "compatible": list(board.profile.compatible),
        "core": cpu.core,
        "kernel": "simulated",
        "firmware": "",
    }
    return Rig(board, SimulatedRunner(board, cpu.cores, said), cpu.cores)


def _profile_here(name: str, sysfs: Sysfs) -> BoardProfile:
    """Return the profile of a board by name. Raises UnknownBoardError or BoardError."""
    here = detect_board(sysfs)
    if name in (AUTO, here):
        return load_profile(here)
    profile = load_profile(name)
    if profile.place == "here" and not profile.compatible:
        return profile
    if not set(device_tree(sysfs)) & set(profile.compatible):
        raise BoardError(
            f"this computer is no {profile.title}, it is {here}: --board auto surveys what is "
            f"here, --board {SIMULATED}{name} a simulation"
        )
    return profile


class _Meter(NamedTuple):
    """A meter that has answered, or why there is none."""

    meter: PowerMeter | None
    config: MeterConfig | None
    lacks: str = ""


def _meter(sysfs: Sysfs, name: str, given: MeterConfig | None) -> _Meter:
    """Return the meter. Raises MeterError or BusError for one that was given and is not there."""
    try:
        config = given or (None if name == HOST else named_meter(sysfs))
        if config is None:
            return _Meter(None, None)
        meter = open_meter(config, sysfs, LinuxThermometer(sysfs).throttled)
        if meter.origin != "measured" or config.kind == "log":
            raise MeterError(f"{config} is a recorded log: a survey needs a meter that is there")
        meter.start()
        meter.stop()
    except (BusError, MeterError) as error:
        if given is not None:
            raise
        return _Meter(None, None, f"the meter cannot be used: {error}")
    return _Meter(meter, config)


def _clock(sysfs: Sysfs, name: str) -> tuple[Clock, str]:
    """Return the clock, and why it cannot be chosen, where that is so."""
    if name == HOST:
        return FixedClock(nominal_khz()), NO_CLOCK.format("--board host moves none")
    try:
        clock = CpufreqClock(sysfs, ClockLease())
        clock.check_writable()
    except ClockError as error:
        return FixedClock(_khz_now(sysfs)), NO_CLOCK.format(error)
    return clock, ""


def _khz_now(sysfs: Sysfs) -> int:
    try:
        return CpufreqClock(sysfs).current_khz()
    except ClockError:
        return nominal_khz()
