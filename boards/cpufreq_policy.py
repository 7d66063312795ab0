"""One cpufreq policy: the processors that share a clock, as files under /sys.

Linux documentation: admin-guide/pm/cpufreq.rst. A policy is written, never a single processor.
"""

import os
from collections.abc import Mapping

from edge_infer.boards.errors import ClockError
from edge_infer.boards.sysfs import Sysfs

POLICIES = "devices/system/cpu/cpufreq"
GOVERNOR = "scaling_governor"
MIN_KHZ = "scaling_min_freq"
MAX_KHZ = "scaling_max_freq"
SETSPEED = "scaling_setspeed"
USERSPACE = "userspace"


class CpufreqPolicy:
    """The files of one policy, for example "policy0"."""

    def __init__(self, sysfs: Sysfs, name: str) -> None:
        self.name = name
        self._sysfs = sysfs
        self._folder = f"{POLICIES}/{name}"
        self.clocks_khz = self._clocks_khz()
        """The clocks it offers, ascending."""
        cpus = self._read_or("affected_cpus", "").split()
        self.cpus = frozenset(int(cpu) for cpu in cpus if cpu.isdigit())
        """The processors that share its clock and are there; none where the kernel does not say."""
        self.capacity = max(map(self._capacity, self.cpus), default=0)
        """Greatest speed of such a processor beside the board's fastest, which has 1024; or 0."""
        governors = self._read_or("scaling_available_governors", "")
        self.has_userspace = USERSPACE in governors.split()
        """Whether a clock can be asked for through scaling_setspeed."""

    def current_khz(self) -> int:
        """Return the clock that the kernel reports. Raises ClockError."""
        text = self._read_or("scaling_cur_freq", "") or self._read_or("cpuinfo_cur_freq", "")
        if not text.isdigit():
            raise ClockError(f"{self._where('scaling_cur_freq')} gives no clock: {text!r}")
        return int(text)

    def real_khz(self) -> int:
        """Return the clock that the hardware reports, where it may be read; it costs more."""
        text = self._read_or("cpuinfo_cur_freq", "")
        return int(text) if text.isdigit() else self.current_khz()

    def settings(self) -> dict[str, str]:
        """Return what can be changed: file name to its text. Raises ClockError."""
        found = {name: self.read(name) for name in (GOVERNOR, MIN_KHZ, MAX_KHZ)}
        speed = self._read_or(SETSPEED, "")
        if speed.isdigit():
            found[SETSPEED] = speed
        return found

    def nearest_khz(self, khz: int) -> int:
        """Return the greatest clock at or below `khz`, or the least one."""
        return max((k for k in self.clocks_khz if k <= khz), default=self.clocks_khz[0])

    def read(self, name: str) -> str:
        """Return a file's text. Raises ClockError."""
        try:
            return self._sysfs.read(f"{self._folder}/{name}")
        except OSError as error:
            raise ClockError(f"cannot read {self._where(name)}: {error.strerror}") from error

    def write(self, name: str, text: str) -> None:
        """Write a file. Raises ClockError that says what permission helps."""
        try:
            self._sysfs.write(f"{self._folder}/{name}", text)
        except PermissionError as error:
            raise self._forbidden(name) from error
        except OSError as error:
            raise ClockError(
                f"the kernel refused {text!r} in {self._where(name)}: {error.strerror}"
            ) from error

    def check_writable(self) -> None:
        """Raise ClockError where this process may not write what sets the clock."""
        for name in (GOVERNOR, SETSPEED) if self.has_userspace else (MIN_KHZ, MAX_KHZ):
            if not os.access(self._where(name), os.W_OK):
                raise self._forbidden(name)

    def _forbidden(self, name: str) -> ClockError:
        return ClockError(
            f"no permission to write {self._where(name)}: run as root, or let a udev rule give "
            f"your group the right (RUN+=\"/bin/sh -c 'chgrp gpio {self._where('scaling_*')}; "
            f"chmod g+w {self._where('scaling_*')}'\")"
        )

    def write_limits(self, min_khz: str, max_khz: str) -> None:
        """Write both limits, in the order in which neither crosses the other."""
        rising = int(max_khz) >= int(self.read(MIN_KHZ))
        for name, text in ((MAX_KHZ, max_khz), (MIN_KHZ, min_khz))[:: 1 if rising else -1]:
            self.write(name, text)

    def restore(self, found: Mapping[str, str], ours: Mapping[str, list[str]]) -> None:
        """Put back each file that still holds a value of ours.

        Args:
            found: what each file held before.
            ours: what we may have written to each file.

        Raises:
            ClockError: a file cannot be written.
        """
        still = [name for name, texts in ours.items() if self._read_or(name, "") in texts]
        limits = {name: found[name] for name in (MIN_KHZ, MAX_KHZ) if name in still}
        if limits:
            limits = {**self.settings(), **limits}
            self.write_limits(limits[MIN_KHZ], limits[MAX_KHZ])
        for name in (SETSPEED, GOVERNOR):
            if name in still:
                self.write(name, found[name])

    def _clocks_khz(self) -> tuple[int, ...]:
        listed = self._read_or("scaling_available_frequencies", "").split()
        # Some kernels and images have no list; then the two ends are known.
        ends = [self._read_or(f"cpuinfo_{end}_freq", "") for end in ("min", "max")]
        clocks = sorted({int(text) for text in listed or ends if text.isdigit()})
        if not clocks:
            raise ClockError(f"{self._sysfs.where(self._folder)} lists no clocks")
        return tuple(clocks)

    def _capacity(self, cpu: int) -> int:
        try:
            return int(self._sysfs.read(f"devices/system/cpu/cpu{cpu}/cpu_capacity"))
        except (OSError, ValueError):
            return 0

    def _read_or(self, name: str, default: str) -> str:
        try:
            return self._sysfs.read(f"{self._folder}/{name}")
        except OSError:
            return default

    def _where(self, name: str) -> str:
        return self._sysfs.where(f"{self._folder}/{name}")


def find_policies(sysfs: Sysfs) -> tuple[CpufreqPolicy, ...]:
    """Return the policies, by number. Raises ClockError where the kernel has none."""
    names = [name for name in sysfs.names(POLICIES) if name.startswith("policy")]
    if not names:
        raise ClockError(
            f"{sysfs.where(POLICIES)} has no policies: this kernel does not control the clock"
        )
    names.sort(key=lambda name: int(name.removeprefix("policy") or 0))
    return tuple(CpufreqPolicy(sysfs, name) for name in names)
