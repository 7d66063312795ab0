"""The service under a systemd that booted the machine: installed, watched, killed, removed."""

import os
import pwd
import signal
import time
from pathlib import Path

from tests.beds.vm.guest.machine import appears, command, modprobe, policy_settings

from edge_infer.commands.install_service import (
    FILES,
    FOLDERS,
    UNIT,
    installation,
    removal,
)
from edge_infer.commands.install_steps import USER, perform

HOST = Path("/dev/ttyACM0")
ETC = Path("/etc/edge-infer")
DROP_IN = Path(f"/etc/systemd/system/{UNIT}.d/quick.conf")
WATCHDOG_S = 20
SETTINGS = """EDGE_INFER_PORT=/dev/ttyGS0
EDGE_INFER_BOARD=linux
EDGE_INFER_POLICY=powersave
EDGE_INFER_PROTOCOL=mlperf-tiny
EDGE_INFER_BUNDLE=digits-early-exit
"""
"""This protocol's server runs a bundle from its start, so it holds the clock from its start."""
CLOCK_FILES = Path("/sys/devices/system/cpu/cpufreq")

found: dict[str, tuple[str, ...]] = {}
before: dict[str, tuple[int, int]] = {}


def show(name: str) -> str:
    """Return a property of the unit."""
    return command("systemctl", "show", "--value", "-p", name, UNIT).strip()


def main_pid() -> int:
    return int(show("MainPID"))


def owner(pid: int) -> int:
    """Return the user of a process."""
    return Path(f"/proc/{pid}").stat().st_uid


def running() -> bool:
    return show("ActiveState") == "active"


def rights() -> dict[str, tuple[int, int]]:
    """Return group and mode of what the rules change."""
    files = sorted(CLOCK_FILES.glob("policy*/scaling_*"))
    return {str(f): (f.stat().st_gid, f.stat().st_mode & 0o777) for f in files}


def left_files() -> list[str]:
    """Return what of ours lies where the installation writes."""
    places = {Path("/", path).parent for path in FILES.values()}
    ours = [p for place in places for p in place.rglob("*edge-infer*")]
    return [str(p) for p in (*ours, *(Path("/", folder) for folder in FOLDERS)) if p.exists()]


def check_systemd_has_booted_the_machine() -> None:
    assert Path("/proc/1/comm").read_text() == "systemd\n"
    print(f"   {command('systemctl', '--version').splitlines()[0]}")
    for module in ("i2c-dev", "acpi-cpufreq", "cpufreq_userspace", "dummy_hcd", "cdc-acm",
                   "usb_f_acm", "g_serial"):  # fmt: skip
        modprobe(module)
    appears(HOST.exists)
    found.update(policy_settings())
    before.update(rights())


def check_it_is_installed_and_enabled() -> None:
    perform(installation())
    assert command("systemctl", "is-enabled", UNIT).strip() == "enabled"
    member = pwd.getpwnam(USER)
    gid, mode = rights()[str(CLOCK_FILES / "policy0/scaling_setspeed")]
    assert (gid, mode) == (member.pw_gid, 0o664)
    ETC.mkdir(exist_ok=True)
    (ETC / "serve.env").write_text(SETTINGS)
    DROP_IN.parent.mkdir()
    DROP_IN.write_text(
        f"[Service]\nWatchdogSec={WATCHDOG_S}s\nRestartSec=1s\nTimeoutStartSec=600\n"
    )
    command("systemctl", "daemon-reload")


def check_it_starts_as_its_user_and_says_that_it_is_ready() -> None:
    try:
        command("systemctl", "start", UNIT)  # returns once READY=1 has come
    except AssertionError:
        print(command("journalctl", "-u", UNIT, "-o", "cat", "--no-pager"))
        raise
    assert running()
    assert owner(main_pid()) == pwd.getpwnam(USER).pw_uid != 0
    groups = Path(f"/proc/{main_pid()}/status").read_text()
    print("   " + next(line for line in groups.splitlines() if line.startswith("Groups")))


def check_its_worker_has_answered_and_nothing_was_forbidden() -> None:
    assert Path("/var/cache", USER).stat().st_mode & 0o777 == 0o755
    journal = command("journalctl", "-u", UNIT, "-o", "cat", "--no-pager")
    assert "not permitted" not in journal and "Permission denied" not in journal, journal


def check_the_watchdog_hears_signs_of_life() -> None:
    first = int(show("WatchdogTimestampMonotonic"))
    appears(lambda: int(show("WatchdogTimestampMonotonic")) > first)
    assert running() and show("NRestarts") == "0"


def check_it_has_taken_the_clock_as_its_user() -> None:
    taken = policy_settings()
    print(f"   {taken}")
    assert {settings[0] for settings in taken.values()} == {"userspace"}
    assert {(CLOCK_FILES / name / "scaling_setspeed").read_text() for name in taken} == {"600000\n"}


def check_after_a_kill_the_clock_comes_back_and_the_service_too() -> None:
    killed = main_pid()
    os.kill(killed, signal.SIGKILL)
    appears(lambda: show("NRestarts") == "1" and running())
    journal = command("journalctl", "-u", UNIT, "-o", "cat", "--no-pager")
    assert "the clock is put back" in journal, journal
    assert main_pid() != killed


def check_a_service_that_hangs_is_killed_by_the_watchdog() -> None:
    os.kill(main_pid(), signal.SIGSTOP)
    began_s = time.monotonic()
    appears(lambda: show("NRestarts") == "2" and running())
    print(f"   restarted {time.monotonic() - began_s:.0f} s after it hung")
    assert "Watchdog timeout" in command("journalctl", "-u", UNIT, "-o", "cat", "--no-pager")


def check_when_stopped_it_leaves_the_clock_as_it_was() -> None:
    command("systemctl", "stop", UNIT)
    ended = {name: show(name) for name in ("ActiveState", "Result", "ExecMainStatus")}
    assert ended == {"ActiveState": "inactive", "Result": "success", "ExecMainStatus": "0"}, ended
    assert policy_settings() == found


def check_removal_leaves_nothing() -> None:
    assert left_files()
    perform(removal())
    DROP_IN.unlink()
    DROP_IN.parent.rmdir()
    assert left_files() == []
    assert rights() == before
    assert policy_settings() == found
    assert USER not in {entry.pw_name for entry in pwd.getpwall()}
    assert show("LoadState") == "not-found"
