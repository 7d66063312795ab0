"""Boards whose cores do not share one clock: the clock told is that of the cores that run."""

import logging
import os
from collections.abc import Iterable
from pathlib import Path

import pytest
from tests.fakes.sysfs_tree import make_tree

from edge_infer.boards.cores import LinuxCores
from edge_infer.boards.cpufreq import CpufreqClock
from edge_infer.boards.cpufreq_policy import POLICIES
from edge_infer.boards.sysfs import RealSysfs

LITTLE, BIG = (408_000, 1_200_000, 1_800_000), (408_000, 1_200_000, 2_400_000)
RK3588 = ((0, 1, 2, 3), (4, 5), (6, 7))
"""Cortex-A55, and twice two A76: policy0, policy4, policy6."""


class Threads:
    """Runs on the last core that it may; what it was pinned to is kept."""

    def __init__(self, cpus: Iterable[int] = range(8), refuse: bool = False) -> None:
        self.cpus = frozenset(cpus)
        self.refuse = refuse

    def allowed(self) -> frozenset[int]:
        return self.cpus

    def running(self) -> int:
        return max(self.cpus)

    def pin(self, cpus: Iterable[int]) -> None:
        if self.refuse:
            raise PermissionError(1, "Operation not permitted")
        self.cpus = frozenset(cpus)


def rk3588(root: Path, second_big: tuple[int, ...] = BIG) -> Path:
    return make_tree(root, (LITTLE, BIG, second_big), cpus=RK3588)


def run_at(root: Path, policy: int, khz: int) -> None:
    (root / POLICIES / f"policy{policy}" / "scaling_cur_freq").write_text(f"{khz}\n")


def test_it_stays_on_the_fast_cores_and_tells_the_clock_of_the_one_that_runs(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root, threads = rk3588(tmp_path), Threads()
    for policy, khz in ((0, 1_800_000), (4, 408_000), (6, 1_200_000)):
        run_at(root, policy, khz)
    clock = CpufreqClock(RealSysfs(root), cores=threads)
    with caplog.at_level(logging.WARNING):
        clock.stay()
        clock.stay()
    assert threads.cpus == {4, 5, 6, 7}
    assert [r.message for r in caplog.records] == [
        "runs on cores 4, 5, 6, 7 alone, those of policy4 and policy6"
    ]
    assert clock.supported_khz() == BIG
    assert clock.current_khz() == 1_200_000  # core 7
    threads.cpus = frozenset({4})
    assert clock.current_khz() == 408_000
    clock.reset()
    assert threads.cpus == frozenset(range(8))


def test_setting_a_clock_sets_all_policies_and_pins(tmp_path: Path) -> None:
    root, threads = rk3588(tmp_path), Threads()
    clock = CpufreqClock(RealSysfs(root), cores=threads)
    clock.set_khz(2_400_000)
    speeds = [(root / POLICIES / f"policy{n}/scaling_setspeed").read_text() for n in (0, 4, 6)]
    assert speeds == ["1800000", "2400000", "2400000"]
    assert threads.cpus == {4, 5, 6, 7}
    clock.reset()
    clock.reset()
    assert threads.cpus == frozenset(range(8))


@pytest.mark.parametrize(
    ("allowed", "clocks", "stays", "khz"),
    [
        ((0, 1), LITTLE, frozenset({0, 1}), 1_800_000),  # taskset to little cores
        ((3, 4), BIG, frozenset({4}), 1_200_000),
        ((5,), BIG, frozenset({5}), 1_200_000),
    ],
)
def test_cores_that_a_user_chose_are_kept(
    allowed: tuple[int, ...],
    clocks: tuple[int, ...],
    stays: frozenset[int],
    khz: int,
    tmp_path: Path,
) -> None:
    root, threads = rk3588(tmp_path), Threads(allowed)
    run_at(root, 4, 1_200_000)
    clock = CpufreqClock(RealSysfs(root), cores=threads)
    clock.stay()
    assert (clock.supported_khz(), threads.cpus) == (clocks, stays)
    assert clock.current_khz() == khz
    clock.reset()
    assert threads.cpus == frozenset(allowed)


def test_the_greatest_capacity_goes_before_the_highest_clock(tmp_path: Path) -> None:
    """As an S922X, whose little cores have the higher clock."""
    root = make_tree(tmp_path, ((1_896_000,), (1_800_000,)), cpus=((0, 1), (2, 3)))
    for cpu, capacity in enumerate((462, 462, 1024, 1024)):
        folder = root / "devices/system/cpu" / f"cpu{cpu}"
        folder.mkdir()
        (folder / "cpu_capacity").write_text(f"{capacity}\n")
    clock = CpufreqClock(RealSysfs(root), cores=Threads(range(4)))
    assert clock.supported_khz() == (1_800_000,)


def test_what_cannot_be_pinned_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    threads = Threads(refuse=True)
    clock = CpufreqClock(RealSysfs(rk3588(tmp_path, (600_000,))), cores=threads)
    clock.stay()
    assert (
        "cannot stay on cores 4, 5 (Operation not permitted): clocks are of policy4" in caplog.text
    )
    clock.reset()


def test_one_policy_pins_nothing(tmp_path: Path) -> None:
    threads = Threads(range(4))
    clock = CpufreqClock(RealSysfs(make_tree(tmp_path, cpus=((0, 1),))), cores=threads)
    clock.stay()
    assert threads.cpus == frozenset(range(4))


def test_this_process_can_be_pinned_and_tells_where_it_runs() -> None:
    cores = LinuxCores()
    found = cores.allowed()
    one = max(found)
    try:
        cores.pin({one})
        assert cores.allowed() == {one} and cores.running() == one
    finally:
        cores.pin(found)
    assert os.sched_getaffinity(0) == found
