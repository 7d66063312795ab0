from pathlib import Path

import pytest
from tests.fakes.sysfs_tree import CLOCKS_KHZ, make_tree, policy_files

from edge_infer.boards.cpufreq import CpufreqClock
from edge_infer.boards.cpufreq_policy import POLICIES
from edge_infer.boards.errors import ClockError
from edge_infer.boards.simulated.cpufreq import SimulatedCpufreq
from edge_infer.boards.sysfs import RealSysfs

CLOCKS = (600_000, 700_000, 800_000, 900_000, 1_000_000)
P = f"{POLICIES}/policy0"


def simulated(userspace: bool = True, writable: bool = True) -> SimulatedCpufreq:
    return SimulatedCpufreq(CLOCKS, lambda old, new: None, userspace, writable)


def settings(sysfs: SimulatedCpufreq) -> tuple[str, ...]:
    names = ("scaling_governor", "scaling_min_freq", "scaling_max_freq")
    return tuple(sysfs.read(f"{P}/{name}") for name in names)


@pytest.mark.parametrize("userspace", [True, False])
def test_every_clock_can_be_set_and_what_was_found_comes_back(userspace: bool) -> None:
    sysfs = simulated(userspace=userspace)
    sysfs.write(f"{P}/scaling_max_freq", "1000000")
    sysfs.write(f"{P}/scaling_min_freq", "700000" if not userspace else "600000")
    found = settings(sysfs)
    clock = CpufreqClock(sysfs)
    assert clock.supported_khz() == CLOCKS
    for khz in (*CLOCKS, *reversed(CLOCKS)):
        assert clock.set_khz(khz) == khz
        assert clock.current_khz() == khz
        assert sysfs.khz == khz
    clock.reset()
    clock.reset()
    assert settings(sysfs) == found


def test_after_a_reset_the_clock_can_be_set_again() -> None:
    sysfs = simulated()
    clock = CpufreqClock(sysfs)
    for _ in range(2):
        assert clock.set_khz(700_000) == 700_000
        clock.reset()
        assert settings(sysfs)[0] == "ondemand"


def test_asking_again_for_the_same_clock_writes_nothing() -> None:
    sysfs = simulated()
    clock = CpufreqClock(sysfs)
    clock.set_khz(700_000)
    sysfs.writable = False
    assert clock.set_khz(700_000) == 700_000


def test_a_limit_that_somebody_set_is_respected_and_told() -> None:
    sysfs = simulated()
    sysfs.write(f"{P}/scaling_max_freq", "800000")
    clock = CpufreqClock(sysfs)
    assert clock.set_khz(1_000_000) == 800_000
    assert settings(sysfs)[1:] == ("600000", "800000")


def test_clocks_that_run_as_another_are_reported() -> None:
    sysfs = simulated()
    sysfs.cap(800_000)
    clock = CpufreqClock(sysfs)
    assert clock.set_khz(1_000_000) == 1_000_000  # the kernel does not see the firmware's cap
    assert clock.check_clocks() == {900_000: 800_000, 1_000_000: 800_000}
    sysfs.cap(None)
    assert clock.check_clocks() == {}


def test_clocks_that_run_as_another_are_no_longer_offered() -> None:
    """As a Raspberry Pi 5 of October 2023: 600 to 800 MHz are listed and run at 900."""
    sysfs = simulated()
    clock = CpufreqClock(sysfs)
    dropped = clock.drop_aliased(lambda: max(900_000, sysfs.khz) + 345)
    assert dropped == {600_000: 900_345, 700_000: 900_345, 800_000: 900_345}
    clock.reset()
    assert clock.supported_khz() == (900_000, 1_000_000)
    with pytest.raises(ClockError, match="no clock of 600 MHz; there are: 900, 1000 MHz"):
        clock.set_khz(600_000)
    assert settings(sysfs)[0] == "ondemand"


def test_the_highest_clock_stays_whatever_it_runs_at() -> None:
    clock = CpufreqClock(simulated())
    clock.drop_aliased(lambda: 600_000)
    assert clock.supported_khz() == (600_000, 1_000_000)
    clock.reset()


def test_a_clock_not_offered_lists_what_is() -> None:
    with pytest.raises(ClockError, match=r"no clock of 650 MHz; there are: 600, 700, .* MHz"):
        CpufreqClock(simulated()).set_khz(650_000)


def test_no_permission_says_where_and_what_helps() -> None:
    clock = CpufreqClock(simulated(writable=False))
    with pytest.raises(ClockError, match=r"policy0/scaling_governor: run as root, or let a udev"):
        clock.set_khz(600_000)
    clock.reset()


def test_a_governor_changed_by_somebody_else_is_left_alone() -> None:
    sysfs = simulated()
    clock = CpufreqClock(sysfs)
    clock.set_khz(600_000)
    sysfs.write(f"{P}/scaling_governor", "performance")
    with pytest.raises(ClockError, match="the kernel refused '700000'"):
        clock.set_khz(700_000)
    clock.reset()
    assert settings(sysfs)[0] == "performance"


def test_a_limit_changed_by_somebody_else_is_left_alone() -> None:
    sysfs = simulated(userspace=False)
    clock = CpufreqClock(sysfs)
    clock.set_khz(700_000)
    sysfs.write(f"{P}/scaling_max_freq", "900000")
    clock.reset()
    assert settings(sysfs) == ("ondemand", "600000", "900000")


def test_a_userspace_speed_that_was_found_comes_back() -> None:
    sysfs = simulated()
    sysfs.write(f"{P}/scaling_governor", "userspace")
    sysfs.write(f"{P}/scaling_setspeed", "800000")
    clock = CpufreqClock(sysfs)
    clock.set_khz(600_000)
    clock.reset()
    assert settings(sysfs)[0] == "userspace"
    assert sysfs.khz == 800_000


def test_a_kernel_without_the_list_offers_its_two_ends(tmp_path: Path) -> None:
    clock = CpufreqClock(RealSysfs(make_tree(tmp_path, listed=False)))
    assert clock.supported_khz() == (CLOCKS_KHZ[0], CLOCKS_KHZ[-1])


def test_a_kernel_without_policies_does_not_control_the_clock(tmp_path: Path) -> None:
    with pytest.raises(ClockError, match="has no policies"):
        CpufreqClock(RealSysfs(tmp_path))


def test_all_policies_move_together_and_the_slow_one_takes_its_nearest(tmp_path: Path) -> None:
    little, big = (500_000, 900_000), (600_000, 1_000_000, 2_000_000)
    root = make_tree(tmp_path, (little, big))
    found = [policy_files(root, number) for number in (0, 1)]
    clock = CpufreqClock(RealSysfs(root))
    assert clock.supported_khz() == big
    clock.set_khz(1_000_000)
    speeds = [(root / POLICIES / f"policy{n}/scaling_setspeed").read_text() for n in (0, 1)]
    assert speeds == ["900000", "1000000"]
    clock.reset()
    assert [policy_files(root, number) for number in (0, 1)] == found


def test_a_policy_that_lists_nothing_is_an_error(tmp_path: Path) -> None:
    (tmp_path / POLICIES / "policy0").mkdir(parents=True)
    with pytest.raises(ClockError, match="lists no clocks"):
        CpufreqClock(RealSysfs(tmp_path))


def test_a_clock_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    root = make_tree(tmp_path)
    (root / P / "scaling_cur_freq").write_text("<unknown>\n")
    with pytest.raises(ClockError, match="gives no clock: '<unknown>'"):
        CpufreqClock(RealSysfs(root)).current_khz()
