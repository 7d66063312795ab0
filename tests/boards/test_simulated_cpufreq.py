import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_infer.boards.cpufreq_policy import POLICIES
from edge_infer.boards.simulated.cpufreq import SimulatedCpufreq
from edge_infer.boards.thermal import LinuxThermometer

CLOCKS = (600_000, 700_000, 800_000, 900_000, 1_000_000)
P = f"{POLICIES}/policy0"


def kernel(
    userspace: bool = True, writable: bool = True
) -> tuple[SimulatedCpufreq, list[tuple[int, int]]]:
    switches: list[tuple[int, int]] = []
    return SimulatedCpufreq(
        CLOCKS, lambda old, new: switches.append((old, new)), userspace, writable
    ), switches


def error_of(sysfs: SimulatedCpufreq, name: str, text: str) -> int | None:
    with pytest.raises(OSError) as caught:
        sysfs.write(f"{P}/{name}", text)
    return caught.value.errno


def test_setspeed_is_refused_but_under_userspace() -> None:
    sysfs, switches = kernel()
    assert sysfs.read(f"{P}/scaling_setspeed") == "<unsupported>"
    assert error_of(sysfs, "scaling_setspeed", "700000") == errno.EINVAL
    sysfs.write(f"{P}/scaling_governor", "userspace\n")
    assert switches == []
    sysfs.write(f"{P}/scaling_setspeed", "700000\n")
    assert sysfs.khz == 700_000
    assert switches == [(1_000_000, 700_000)]


def test_what_the_kernel_does_not_take_is_einval() -> None:
    sysfs, _ = kernel()
    assert error_of(sysfs, "scaling_governor", "turbo") == errno.EINVAL
    assert error_of(sysfs, "scaling_min_freq", "fast") == errno.EINVAL
    assert error_of(sysfs, "scaling_max_freq", "-1") == errno.EINVAL


def test_a_kernel_without_userspace_does_not_offer_it() -> None:
    sysfs, _ = kernel(userspace=False)
    assert "userspace" not in sysfs.read(f"{P}/scaling_available_governors")
    assert error_of(sysfs, "scaling_governor", "userspace") == errno.EINVAL


def test_files_that_are_not_there_or_not_to_be_written() -> None:
    sysfs, _ = kernel()
    assert error_of(sysfs, "energy_mode", "1") == errno.ENOENT
    assert error_of(sysfs, "scaling_cur_freq", "1") == errno.EACCES
    assert error_of(kernel(writable=False)[0], "scaling_governor", "performance") == errno.EACCES
    with pytest.raises(FileNotFoundError):
        sysfs.read(f"{P}/energy_mode")


def test_the_greatest_wins_over_the_least_limit_and_both_are_remembered() -> None:
    sysfs, _ = kernel()
    sysfs.write(f"{P}/scaling_max_freq", "700000")
    sysfs.write(f"{P}/scaling_min_freq", "900000")
    assert sysfs.read(f"{P}/scaling_min_freq") == "700000"
    sysfs.write(f"{P}/scaling_max_freq", "9999999")
    assert sysfs.read(f"{P}/scaling_min_freq") == "900000"
    assert sysfs.read(f"{P}/scaling_max_freq") == "1000000"


def test_a_speed_between_two_clocks_takes_the_upper_one_if_the_limits_allow() -> None:
    sysfs, _ = kernel()
    sysfs.write(f"{P}/scaling_governor", "userspace")
    sysfs.write(f"{P}/scaling_setspeed", "710000")
    assert sysfs.khz == 800_000
    sysfs.write(f"{P}/scaling_max_freq", "750000")
    assert sysfs.khz == 700_000


@pytest.mark.parametrize(
    ("governor", "khz"), [("performance", 900_000), ("powersave", 700_000), ("ondemand", 900_000)]
)
def test_governors_stay_within_the_limits(governor: str, khz: int) -> None:
    sysfs, _ = kernel()
    sysfs.write(f"{P}/scaling_min_freq", "700000")
    sysfs.write(f"{P}/scaling_max_freq", "900000")
    sysfs.write(f"{P}/scaling_governor", governor)
    assert sysfs.khz == khz


def test_a_cap_by_the_firmware_hides_from_the_kernel() -> None:
    sysfs, switches = kernel()
    thermometer = LinuxThermometer(sysfs)
    assert not thermometer.throttled()
    sysfs.cap(750_000)
    assert sysfs.khz == 700_000
    assert sysfs.read(f"{P}/scaling_cur_freq") == "1000000"
    assert sysfs.read(f"{P}/cpuinfo_cur_freq") == "700000"
    assert thermometer.throttled()
    assert thermometer.millicelsius() == 82_000
    sysfs.cap(None)
    assert sysfs.khz == 1_000_000
    assert switches == [(1_000_000, 700_000), (700_000, 1_000_000)]


WRITES = st.one_of(
    st.tuples(st.just("scaling_governor"), st.sampled_from(["userspace", "powersave", "ondemand"])),
    st.tuples(
        st.sampled_from(["scaling_min_freq", "scaling_max_freq", "scaling_setspeed"]),
        st.integers(0, 2_000_000).map(str),
    ),
)


@given(st.lists(WRITES, max_size=12), st.sampled_from([None, 500_000, 650_000, 900_000]))
def test_the_clock_is_always_one_of_the_list_within_limits_and_cap(
    writes: list[tuple[str, str]], cap_khz: int | None
) -> None:
    sysfs, _ = kernel()
    sysfs.cap(cap_khz)
    for name, text in writes:
        try:
            sysfs.write(f"{P}/{name}", text)
        except OSError as error:
            assert (name, error.errno) == ("scaling_setspeed", errno.EINVAL)
        least, most = (int(sysfs.read(f"{P}/scaling_{end}_freq")) for end in ("min", "max"))
        asked = int(sysfs.read(f"{P}/scaling_cur_freq"))
        assert CLOCKS[0] <= least <= most <= CLOCKS[-1]
        assert asked in CLOCKS
        assert asked <= most or asked == CLOCKS[0]
        assert sysfs.khz in CLOCKS
        assert sysfs.khz <= asked
        assert cap_khz is None or sysfs.khz <= max(cap_khz, CLOCKS[0])


def test_the_tree_is_listed() -> None:
    sysfs, _ = kernel()
    assert sysfs.names(POLICIES) == ["policy0"]
    assert "scaling_governor" in sysfs.names(P)
    assert sysfs.names("class/nothing") == []
    assert sysfs.where(P) == f"/sys/{P}"
