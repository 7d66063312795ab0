"""What /proc and /sys say of this computer: its cores, its battery, who else sets its clock."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PROC, SUPPLIES = Path("/proc"), Path("/sys/class/power_supply")
CORES = {
    0xD03: "Cortex-A53", 0xD04: "Cortex-A35", 0xD05: "Cortex-A55", 0xD07: "Cortex-A57",
    0xD08: "Cortex-A72", 0xD09: "Cortex-A73", 0xD0A: "Cortex-A75", 0xD0B: "Cortex-A76",
    0xD0D: "Cortex-A77", 0xD41: "Cortex-A78", 0xD46: "Cortex-A510", 0xD47: "Cortex-A710",
}  # fmt: skip
"""Arm's cores by "CPU part" of /proc/cpuinfo, where "CPU implementer" is 0x41."""
ARM = 0x41
GOVERNING = (
    "auto-cpufreq", "cpufreqd", "cpupower", "power-profiles-daemon", "powernowd", "thermald", "tlp",
    "tlp-pd", "tuned",
)  # fmt: skip
"""Programs that set clocks or governors by themselves."""
COMM_LENGTH = 15
"""The kernel cuts the name of a process after so many characters."""


class Battery(NamedTuple):
    """What feeds the computer where it is not the mains."""

    name: str
    percent: int


def cpu_core(proc: Path = PROC) -> str:
    """Return the processor's core by name; empty where nobody says."""
    fields = dict(_cpuinfo(proc))
    try:
        if int(fields.get("CPU implementer", "0"), 0) == ARM:
            return CORES.get(int(fields["CPU part"], 0), f"Arm part {fields['CPU part']}")
    except (KeyError, ValueError):
        pass
    return fields.get("model name", "")


def nominal_khz(proc: Path = PROC) -> int:
    """Return the clock that /proc/cpuinfo tells, 0 where it does not."""
    try:
        return round(float(dict(_cpuinfo(proc)).get("cpu MHz", "0")) * 1000)
    except ValueError:
        return 0


def daemons(proc: Path = PROC) -> list[str]:
    """Return the programs at work that set the clock themselves, each with its process number."""
    found = []
    for path in proc.glob("[0-9]*/comm"):
        try:
            name = path.read_text().strip()
        except OSError:
            continue
        whole = next((each for each in GOVERNING if each[:COMM_LENGTH] == name), None)
        if whole is not None:
            found.append(f"{whole} (process {path.parent.name})")
    return sorted(found)


def battery(supplies: Path = SUPPLIES) -> Battery | None:
    """Return the battery that feeds the computer now; None on the mains, or without one."""
    for folder in sorted(supplies.glob("*")):
        try:
            if (folder / "type").read_text().strip() != "Battery":
                continue
            if (folder / "status").read_text().strip() != "Discharging":
                continue
            return Battery(folder.name, int((folder / "capacity").read_text()))
        except (OSError, ValueError):
            continue
    return None


def _cpuinfo(proc: Path) -> Iterator[tuple[str, str]]:
    """Yield the fields of the first processor."""
    try:
        text = (proc / "cpuinfo").read_text(errors="replace")
    except OSError:
        return
    for line in text.split("\n\n")[0].splitlines():
        name, _, value = line.partition(":")
        yield name.strip(), value.strip()
