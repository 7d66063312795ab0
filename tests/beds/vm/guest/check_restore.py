"""What was found of the clock comes back, however the process that changed it ended."""

import json
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import count, cycle

from tests.beds.vm.guest.check_cpufreq import CLOCKS_KHZ, LEASE, clock, set_policy
from tests.beds.vm.guest.child import Child
from tests.beds.vm.guest.cli import BUNDLE
from tests.beds.vm.guest.machine import CPUFREQ, modprobe, policy_settings, refusal

from edge_infer.boards.cost_table import OperatingPoint
from edge_infer.boards.errors import ClockError
from edge_infer.boards.linux_board import LinuxBoard
from edge_infer.boards.profile import load_profile
from edge_infer.boards.sysfs import RealSysfs
from edge_infer.models_tflite import open_bundle
from edge_infer.runtime.engine import Engine
from edge_infer.runtime.governors.governor import FixedGovernor
from edge_infer.runtime.records import ExitDecision, Frame, StageResult

KILLS = 5


def holding(how: str) -> Callable[[Callable[[str], None]], None]:
    """Return what a process does that changes clocks and ends as `how` says."""

    def work(say: Callable[[str], None]) -> None:
        board = LinuxBoard(load_profile("host"), clock(), None, RealSysfs())
        with suppress(RuntimeError), board:
            board.clock.set_khz(600_000)
            say("set")
            if how == "exception":
                raise RuntimeError("on purpose")
            while how == "wait":
                for khz in CLOCKS_KHZ:
                    board.clock.set_khz(khz)

    return work


def check_the_clock_comes_back_after_an_exit_and_an_exception() -> None:
    found = policy_settings()
    for how in ("exit", "exception"):
        with Child(holding(how)) as child:
            assert child.line() == "set"
            assert child.wait() == 0
        assert policy_settings() == found


def check_the_clock_comes_back_after_sigterm() -> None:
    found = policy_settings()
    with Child(holding("wait")) as child:
        assert child.line() == "set"
        assert policy_settings() != found
        assert child.kill(signal.SIGTERM) == 143
    assert policy_settings() == found


class SwitchingGovernor(FixedGovernor):
    """Another clock for every stage."""

    asks_between_stages = True

    def __init__(self) -> None:
        points = [OperatingPoint(khz, 1) for khz in CLOCKS_KHZ]
        super().__init__("switching", points[0])
        self._points = cycle(points)

    def first_point(self, frame: Frame, now_ns: int, backlog: int) -> OperatingPoint:
        return next(self._points)

    def next_point(
        self, frame: Frame, result: StageResult, decision: ExitDecision
    ) -> OperatingPoint:
        return next(self._points)


def governing(say: Callable[[str], None]) -> None:
    """Run a bundle at another clock for every stage until killed."""
    bundle, governor = open_bundle(BUNDLE), SwitchingGovernor()
    frames = bundle.golden().frames
    board = LinuxBoard(load_profile("host"), clock(), None, RealSysfs())
    with board, Engine(bundle, board, policy=governor) as engine:
        for number in count():
            engine.infer(Frame(number, frames[number % len(frames)]))
            if number == len(frames):
                say(f"{engine.switches} switches")


def check_the_next_start_restores_after_each_of_five_sigkills_while_clocks_are_governed() -> None:
    modprobe("cpufreq_powersave")
    set_policy("scaling_governor", "powersave")
    (CPUFREQ / "policy0/scaling_min_freq").write_text("900000")
    found = policy_settings()
    for kill in range(KILLS):
        with Child(governing) as child:
            switches = child.line()
            assert int(switches.split()[0]) > 10, switches
            time.sleep(0.013 * kill)
            assert child.kill(signal.SIGKILL) == -signal.SIGKILL
        assert policy_settings() != found
        clock()
        assert policy_settings() == found
        assert not (LEASE / "clock.json").exists()
    (CPUFREQ / "policy0/scaling_min_freq").write_text("600000")


def check_a_live_holder_is_named_and_left_alone() -> None:
    with Child(holding("wait")) as child:
        assert child.line() == "set"
        message = refusal(lambda: clock().set_khz(900_000), ClockError)
        assert f"process {child.pid} holds the clock" in message, message
        child.kill(signal.SIGTERM)


def check_what_somebody_set_after_a_kill_stays() -> None:
    with Child(holding("wait")) as child:
        assert child.line() == "set"
        child.kill(signal.SIGKILL)
    set_policy("scaling_governor", "performance")
    clock()
    assert {settings[0] for settings in policy_settings().values()} == {"performance"}


def check_a_record_of_another_boot_is_not_applied() -> None:
    with Child(holding("wait")) as child:
        assert child.line() == "set"
        child.kill(signal.SIGKILL)
    left = policy_settings()
    file = LEASE / "clock.json"
    record = json.loads(file.read_text())
    file.write_text(json.dumps(record | {"process": record["process"] | {"boot_id": "another"}}))
    clock()
    assert policy_settings() == left
    assert not file.exists()
    set_policy("scaling_governor", "performance")
