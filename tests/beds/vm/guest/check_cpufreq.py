"""Our clock through the kernel's real cpufreq files."""

import time
from pathlib import Path

from tests.beds.vm.guest.child import as_guest
from tests.beds.vm.guest.machine import CPUFREQ, modprobe, policy_settings, refusal

from edge_infer.boards.clock_lease import ClockLease
from edge_infer.boards.cpufreq import CpufreqClock
from edge_infer.boards.cpufreq_policy import find_policies
from edge_infer.boards.errors import ClockError
from edge_infer.boards.sysfs import RealSysfs

CLOCKS_KHZ = (600_000, 900_000, 1_200_000, 1_500_000)
SECOND_CLOCKS_KHZ = (600_000, 800_000, 1_000_000)
CONTROL_PORTS = {"policy0": 0x87, "policy1": 0x8B}
"""Where ssdt.asl has the kernel write the P-state: 0 is the fastest."""
LEASE = Path("/run/edge-infer")


def clock() -> CpufreqClock:
    return CpufreqClock(RealSysfs(), ClockLease(LEASE))


def hardware_states() -> dict[str, int]:
    """Return the P-state in each control register."""
    states = {}
    for policy, port in CONTROL_PORTS.items():
        with Path("/dev/port").open("rb") as ports:
            ports.seek(port)
            states[policy] = ports.read(1)[0]
    return states


def set_policy(name: str, text: str) -> None:
    for policy in CPUFREQ.glob("policy*"):
        (policy / name).write_text(text)


def check_without_a_driver_there_are_no_policies() -> None:
    message = refusal(lambda: find_policies(RealSysfs()), ClockError)
    assert "has no policies: this kernel does not control the clock" in message


def check_the_kernel_drives_two_policies() -> None:
    modprobe("acpi-cpufreq")
    policies = find_policies(RealSysfs())
    assert [p.name for p in policies] == ["policy0", "policy1"], policies
    assert [p.clocks_khz for p in policies] == [CLOCKS_KHZ, SECOND_CLOCKS_KHZ]
    print(f"   {(CPUFREQ / 'policy0/scaling_driver').read_text().strip()}, {policy_settings()}")
    assert not policies[0].has_userspace


def check_every_clock_is_set_through_limits_where_userspace_is_absent() -> None:
    found, subject = policy_settings(), clock()
    for khz in CLOCKS_KHZ:
        assert subject.set_khz(khz) == khz
        assert hardware_states()["policy0"] == 3 - CLOCKS_KHZ.index(khz)
    subject.reset()
    assert policy_settings() == found


def check_every_clock_is_set_read_back_and_in_the_hardware() -> None:
    modprobe("cpufreq_userspace")
    found, subject = policy_settings(), clock()
    assert subject.supported_khz() == CLOCKS_KHZ
    for khz in (*CLOCKS_KHZ, *reversed(CLOCKS_KHZ)):
        assert subject.set_khz(khz) == khz == subject.current_khz()
        assert hardware_states()["policy0"] == 3 - CLOCKS_KHZ.index(khz)
    assert policy_settings()["policy0"][0] == "userspace"
    subject.reset()
    assert policy_settings() == found


def check_the_other_policy_takes_its_nearest_clock() -> None:
    subject = clock()
    for khz, state in ((600_000, 2), (900_000, 1), (1_200_000, 0), (1_500_000, 0)):
        subject.set_khz(khz)
        assert hardware_states()["policy1"] == state, (khz, hardware_states())
    subject.reset()


def check_a_limit_that_somebody_set_is_read_back() -> None:
    set_policy("scaling_max_freq", "900000")
    found, subject = policy_settings(), clock()
    assert subject.set_khz(1_500_000) == 900_000
    subject.reset()
    assert policy_settings() == found
    for policy, top in (("policy0", 1_500_000), ("policy1", 1_000_000)):
        (CPUFREQ / policy / "scaling_max_freq").write_text(str(top))


def check_a_clock_not_offered_is_refused() -> None:
    message = refusal(lambda: clock().set_khz(700_000), ClockError)
    assert "no clock of 700 MHz; there are: 600, 900, 1200, 1500 MHz" in message


def check_what_the_kernel_refuses_is_told() -> None:
    policy = find_policies(RealSysfs())[0]
    message = refusal(lambda: policy.write("scaling_governor", "turbo"), ClockError)
    assert "the kernel refused 'turbo'" in message and "Invalid argument" in message, message


def check_no_permission_names_what_helps() -> None:
    # Not under /tmp: a checkout that lies there is mounted over it.
    lease = Path("/run/guest-lease")
    lease.mkdir()
    lease.chmod(0o777)

    def attempt() -> str:
        subject = CpufreqClock(RealSysfs(), ClockLease(lease))
        return refusal(lambda: subject.set_khz(600_000), ClockError)

    found = policy_settings()
    message = as_guest(attempt)
    assert "no permission to write" in message and "udev" in message, message
    assert policy_settings() == found


def check_the_time_of_a_change_of_clock() -> None:
    subject = clock()
    subject.set_khz(600_000)
    began_ns = time.monotonic_ns()
    for khz in (1_500_000, 600_000) * 50:
        subject.set_khz(khz)
    print(
        f"   {(time.monotonic_ns() - began_ns) / 100_000:.0f} us a change, two policies (emulated)"
    )
    subject.reset()
