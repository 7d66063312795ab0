"""What the checks do to the guest besides through our own code."""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

Found = TypeVar("Found")

CPUFREQ = Path("/sys/devices/system/cpu/cpufreq")
APPEAR_S = 300
"""How long the kernel may take to show a device, on a host that does much else."""
SETTINGS = ("scaling_governor", "scaling_min_freq", "scaling_max_freq")


def modprobe(*words: str) -> None:
    """Load a module with its parameters."""
    command("modprobe", "-d", "/kernel", *words)


def load_clock() -> None:
    """Let the kernel drive the P-states, with governors of every kind."""
    for module in ("acpi-cpufreq", "cpufreq_userspace", "cpufreq_powersave"):
        modprobe(module)


def command(*words: str) -> str:
    """Run a program and return what it prints."""
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(words)}: {done.returncode}: {done.stdout}{done.stderr}"
    return done.stdout


def refusal(action: Callable[[], object], kind: type[Exception]) -> str:
    """Return the message of the error that `action` must raise."""
    try:
        action()
    except kind as error:
        return str(error)
    raise AssertionError(f"no {kind.__name__}")


def appears(look: Callable[[], Found | None], look_every_s: float = 0.02) -> Found:
    """Return what `look` finds, once it finds something."""
    end_s = time.monotonic() + APPEAR_S
    while time.monotonic() < end_s:
        found = look()
        if found:
            return found
        time.sleep(look_every_s)
    raise AssertionError(f"nothing within {APPEAR_S} s")


def policy_settings() -> dict[str, tuple[str, ...]]:
    """Return what a clock driver may change, by policy, read past our code."""
    return {
        policy.name: tuple((policy / name).read_text().strip() for name in SETTINGS)
        for policy in sorted(CPUFREQ.glob("policy*"))
    }
