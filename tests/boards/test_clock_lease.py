import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.sysfs_tree import Killed, KillingSysfs, make_tree, policy_files

from edge_infer.boards.clock_lease import ClockLease, ProcessIdentity, start_ticks
from edge_infer.boards.cpufreq import CpufreqClock
from edge_infer.boards.cpufreq_policy import POLICIES
from edge_infer.boards.errors import ClockError
from edge_infer.boards.simulated.cpufreq import SimulatedCpufreq

CLOCKS = (600_000, 700_000, 800_000, 900_000, 1_000_000)
P = f"{POLICIES}/policy0"
ROOT = Path(__file__).parents[2]


def kernel(userspace: bool, limits: tuple[int, int] = (600_000, 1_000_000)) -> SimulatedCpufreq:
    sysfs = SimulatedCpufreq(CLOCKS, lambda old, new: None, userspace)
    for name, khz in zip(("scaling_max_freq", "scaling_min_freq"), limits[::-1], strict=True):
        sysfs.write(f"{P}/{name}", str(khz))
    return sysfs


def settings(sysfs: SimulatedCpufreq) -> list[str]:
    names = ("scaling_governor", "scaling_min_freq", "scaling_max_freq", "scaling_setspeed")
    return [sysfs.read(f"{P}/{name}") for name in names]


def run_until_killed(
    sysfs: SimulatedCpufreq, folder: Path, clocks: Sequence[int], at: int, after: bool
) -> bool:
    """Set clocks in a process that dies at its write number `at`; return whether it died."""
    lease = ClockLease(folder)
    try:
        clock = CpufreqClock(KillingSysfs(sysfs, at, after), lease)
        for khz in clocks:
            clock.set_khz(khz)
        clock.reset()
    except Killed:
        # The kernel drops the lock of a dead process; its record stays.
        lease.release(restored=False)
        return True
    return False


@given(
    userspace=st.booleans(),
    limits=st.sampled_from([(600_000, 1_000_000), (700_000, 900_000), (800_000, 800_000)]),
    clocks=st.lists(st.sampled_from(CLOCKS), min_size=1, max_size=6),
    at=st.integers(0, 14),
    after=st.booleans(),
    torn=st.booleans(),
)
def test_killed_at_any_write_the_next_start_restores(
    userspace: bool,
    limits: tuple[int, int],
    clocks: list[int],
    at: int,
    after: bool,
    torn: bool,
) -> None:
    with TemporaryDirectory() as name:
        folder, sysfs = Path(name), kernel(userspace, limits)
        found = settings(sysfs)
        run_until_killed(sysfs, folder, clocks, at, after)
        if torn:  # it died while it wrote the record anew
            (folder / "clock.part").write_text('{"process": {"boot')
        CpufreqClock(sysfs, ClockLease(folder))
        assert settings(sysfs) == found
        assert not (folder / "clock.json").exists()


@pytest.fixture
def quick_folder() -> Iterator[Path]:
    """A folder in memory, where there is one."""
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        yield Path(name)


@pytest.mark.parametrize("kills", [500, pytest.param(10_000, marks=pytest.mark.slow)])
def test_killed_at_seeded_moments_the_next_start_restores(kills: int, quick_folder: Path) -> None:
    killed, random = 0, Random(7)
    while killed < kills:
        limits = random.choice([(600_000, 1_000_000), (700_000, 900_000), (800_000, 800_000)])
        sysfs = kernel(random.random() < 0.5, limits)
        found = settings(sysfs)
        # The governor switches clocks: six different ones, so at least seven writes.
        clocks = [random.choice(CLOCKS)]
        while len(clocks) < 6:
            clocks.append(random.choice([khz for khz in CLOCKS if khz != clocks[-1]]))
        at, after = random.randrange(6), random.random() < 0.5
        killed += run_until_killed(sysfs, quick_folder, clocks, at, after)
        CpufreqClock(sysfs, ClockLease(quick_folder))
        assert settings(sysfs) == found
    assert not (quick_folder / "clock.json").exists()


def test_the_property_above_does_kill_and_does_restore(tmp_path: Path) -> None:
    sysfs = kernel(userspace=True)
    found = settings(sysfs)
    assert run_until_killed(sysfs, tmp_path, CLOCKS, 2, after=True)
    assert settings(sysfs) != found
    CpufreqClock(sysfs, ClockLease(tmp_path))
    assert settings(sysfs) == found


def test_what_somebody_else_set_since_is_left_alone(tmp_path: Path) -> None:
    sysfs = kernel(userspace=True)
    run_until_killed(sysfs, tmp_path, CLOCKS, 2, after=True)
    sysfs.write(f"{P}/scaling_governor", "performance")
    CpufreqClock(sysfs, ClockLease(tmp_path))
    assert settings(sysfs)[0] == "performance"


def test_a_record_of_another_boot_is_not_applied(tmp_path: Path) -> None:
    sysfs = kernel(userspace=True)
    run_until_killed(sysfs, tmp_path, CLOCKS, 2, after=True)
    rebooted = replace(ProcessIdentity.current(), boot_id="another")
    CpufreqClock(sysfs, ClockLease(tmp_path, rebooted))
    assert settings(sysfs)[0] == "userspace"
    assert not (tmp_path / "clock.json").exists()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"process": {}}', '{"policies": 3}'])
def test_a_record_that_cannot_be_read_stops_nobody(tmp_path: Path, text: str) -> None:
    (tmp_path / "clock.json").write_text(text)
    sysfs = kernel(userspace=True)
    clock = CpufreqClock(sysfs, ClockLease(tmp_path))
    assert clock.set_khz(700_000) == 700_000
    clock.reset()
    assert settings(sysfs)[0] == "ondemand"


def test_two_processes_do_not_fight_over_the_clock(tmp_path: Path) -> None:
    sysfs = kernel(userspace=True)
    first, second = (CpufreqClock(sysfs, ClockLease(tmp_path)) for _ in range(2))
    first.set_khz(700_000)
    third = CpufreqClock(sysfs, ClockLease(tmp_path))  # restores nothing: the holder lives
    assert sysfs.khz == 700_000
    for late in (second, third):
        with pytest.raises(ClockError, match=f"process {os.getpid()} holds the clock"):
            late.set_khz(800_000)
    first.reset()
    assert second.set_khz(800_000) == 800_000
    second.reset()


def test_a_restore_that_fails_keeps_the_record_for_the_next_start(tmp_path: Path) -> None:
    sysfs = kernel(userspace=True)
    found = settings(sysfs)
    clock = CpufreqClock(sysfs, ClockLease(tmp_path))
    clock.set_khz(700_000)
    sysfs.writable = False
    with pytest.raises(ClockError, match="no permission"):
        clock.reset()
    sysfs.writable = True
    CpufreqClock(sysfs, ClockLease(tmp_path))
    assert settings(sysfs) == found


def test_a_folder_that_cannot_be_made_is_named_with_the_command_that_mends_it(
    tmp_path: Path,
) -> None:
    (tmp_path / "file").write_text("")
    clock = CpufreqClock(kernel(userspace=True), ClockLease(tmp_path / "file"))
    with pytest.raises(ClockError, match="sudo install -d -o"):
        clock.set_khz(700_000)


def test_left_over_claims_are_only_read_under_the_lease(tmp_path: Path) -> None:
    with pytest.raises(ClockError, match="must be taken"):
        ClockLease(tmp_path).left_over()


def test_a_process_is_told_from_another_of_its_number() -> None:
    me = ProcessIdentity.current()
    assert me.pid == os.getpid()
    assert me.start_ticks == start_ticks(me.pid) > 0
    assert start_ticks(2**30) == 0


CHILD = """
import signal, sys
from pathlib import Path
from edge_infer.boards.clock_lease import ClockLease
from edge_infer.boards.cpufreq import CpufreqClock
from edge_infer.boards.linux_board import LinuxBoard
from edge_infer.boards.profile import load_profile
from edge_infer.boards.sysfs import RealSysfs

root, folder = map(Path, sys.argv[1:3])
clock = CpufreqClock(RealSysfs(root), ClockLease(folder))
with LinuxBoard(load_profile("raspberry-pi-4b"), clock, None, RealSysfs(root)) as board:
    board.clock.set_khz(600_000)
    print("set", flush=True)
    if sys.argv[3] == "exception":
        raise RuntimeError("on purpose")
    if sys.argv[3] == "wait":
        signal.pause()
"""


def child(root: Path, folder: Path, how: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(root), str(folder), how],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("userspace", [True, False])
@pytest.mark.parametrize(
    ("how", "number", "code"),
    [
        ("exit", None, 0),
        ("exception", None, 1),
        ("wait", signal.SIGINT, -signal.SIGINT),
        ("wait", signal.SIGTERM, 143),
        ("wait", signal.SIGKILL, -signal.SIGKILL),
    ],
)
def test_a_real_process_puts_back_what_it_found_however_it_ends(
    tmp_path: Path, how: str, number: signal.Signals | None, code: int, userspace: bool
) -> None:
    governors = "ondemand userspace" if userspace else "ondemand performance"
    root, folder = make_tree(tmp_path / "sys", governors=governors), tmp_path / "run"
    found = policy_files(root)
    with child(root, folder, how) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == "set\n", process.stderr.read()
        if number is not None:
            assert policy_files(root) != found
            process.send_signal(number)
        assert process.wait(30) == code
    if number == signal.SIGKILL:
        assert policy_files(root) != found
        with child(root, folder, "exit") as process:
            assert process.wait(30) == 0
    assert policy_files(root) == found
    assert not (folder / "clock.json").exists()


def test_the_record_is_the_groups_whatever_the_umask(tmp_path: Path) -> None:
    lease = ClockLease(tmp_path)
    previous = os.umask(0o077)
    try:
        lease.take()
        lease.record({})
    finally:
        os.umask(previous)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o664}
    lease.release()
