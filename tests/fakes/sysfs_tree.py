"""Sysfs trees for the clock driver: plain files in a folder, and one that dies at a write."""

from collections.abc import Sequence
from pathlib import Path

from edge_infer.boards.cpufreq_policy import POLICIES
from edge_infer.boards.sysfs import Sysfs

CLOCKS_KHZ = (600_000, 1_000_000, 1_500_000)


class Killed(BaseException):
    """The process is gone at this very write; nothing of it runs any more."""


class KillingSysfs:
    """Passes everything on, and dies at write number `at`, before or after it takes effect."""

    def __init__(self, inner: Sysfs, at: int, after: bool) -> None:
        self._inner = inner
        self._left = at
        self._after = after
        self.read, self.names, self.where = inner.read, inner.names, inner.where

    def write(self, path: str, text: str) -> None:
        """Write, or die."""
        if self._left == 0 and not self._after:
            raise Killed
        self._inner.write(path, text)
        if self._left == 0:
            raise Killed
        self._left -= 1


def make_tree(
    root: Path,
    policies: Sequence[Sequence[int]] = (CLOCKS_KHZ,),
    governors: str = "ondemand userspace performance",
    listed: bool = True,
    cpus: Sequence[Sequence[int]] = (),
) -> Path:
    """Make a cpufreq tree of plain files: nothing in it reacts to a write. Return its root.

    With `cpus`, those of each policy, a policy is named after its first one.
    """
    for number, clocks_khz in enumerate(policies):
        folder = root / POLICIES / f"policy{cpus[number][0] if cpus else number}"
        folder.mkdir(parents=True)
        files = {
            "scaling_available_governors": governors,
            "scaling_governor": governors.split()[0],
            "scaling_min_freq": clocks_khz[0],
            "scaling_max_freq": clocks_khz[-1],
            "scaling_setspeed": "<unsupported>",
            "scaling_cur_freq": clocks_khz[-1],
            "cpuinfo_min_freq": clocks_khz[0],
            "cpuinfo_max_freq": clocks_khz[-1],
        }
        if listed:
            files["scaling_available_frequencies"] = " ".join(map(str, clocks_khz)) + " "
        if cpus:
            files["affected_cpus"] = " ".join(map(str, cpus[number]))
        for name, value in files.items():
            (folder / name).write_text(f"{value}\n")
    return root


def policy_files(root: Path, number: int = 0) -> dict[str, str]:
    """Return what a clock driver may change in a tree of plain files."""
    folder = root / POLICIES / f"policy{number}"
    names = ("scaling_governor", "scaling_min_freq", "scaling_max_freq")
    return {name: (folder / name).read_text().strip() for name in names}
