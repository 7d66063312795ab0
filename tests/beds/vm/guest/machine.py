"""What the checks do to the guest besides through our own code."""

import subprocess
from collections.abc import Callable
from pathlib import Path

CPUFREQ = Path("/sys/devices/system/cpu/cpufreq")
SETTINGS = ("scaling_governor", "scaling_min_freq", "scaling_max_freq")


def modprobe(*words: str) -> None:
    """Load a module with its parameters."""
    command("modprobe", "-d", "/kernel", *words)


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


def policy_settings() -> dict[str, tuple[str, ...]]:
    """Return what a clock driver may change, by policy, read past our code."""
    return {
        policy.name: tuple((policy / name).read_text().strip() for name in SETTINGS)
        for policy in sorted(CPUFREQ.glob("policy*"))
    }
