"""A sysfs tree with one cpufreq policy that behaves as the kernel's does, and a Pi's firmware.

Linux: drivers/cpufreq/cpufreq.c, cpufreq_userspace.c. Limits are requests that the kernel keeps
and clamps; the maximum wins over the minimum. The firmware may run a lower clock than the kernel
asked for: scaling_cur_freq does not show that, cpuinfo_cur_freq and get_throttled do.
"""

import errno
import os
from collections.abc import Callable, Mapping, Sequence

from edge_infer.boards.cpufreq_policy import POLICIES
from edge_infer.boards.thermal import TEMPERATURE, THROTTLED

FOUND_GOVERNOR = "ondemand"
"""Raspberry Pi OS starts with it. Here it runs at the maximum; its sampling is not simulated."""
GOVERNORS = ("ondemand", "userspace", "powersave", "performance")
CAPPED_NOW = 1 << 1
"""get_throttled bit 1: the clock is capped."""
COOL_MILLICELSIUS, HOT_MILLICELSIUS = 50_000, 82_000


class SimulatedCpufreq:
    """The tree. A change of clock calls `transition`, which takes its time and energy.

    Args:
        clocks_khz: what the policy offers, ascending.
        transition: called with the old and the new clock before the new one is in force.
        userspace: whether the kernel has that governor.
        celsius: temperature of the processor while its clock is not capped.
        writable: sets the attribute of that name.
        lies: clocks that the processor runs as another, which no file shows.
    """

    def __init__(
        self,
        clocks_khz: Sequence[int],
        transition: Callable[[int, int], None],
        userspace: bool = True,
        writable: bool = True,
        celsius: Callable[[], float] = lambda: COOL_MILLICELSIUS / 1000,
        lies: Mapping[int, int] | None = None,
    ) -> None:
        self._clocks_khz = tuple(clocks_khz)
        self._transition = transition
        self._governors = tuple(g for g in GOVERNORS if userspace or g != "userspace")
        self._celsius = celsius
        self._lies = lies or {}
        self.writable = writable
        """False refuses every write (EACCES)."""
        self._governor = FOUND_GOVERNOR
        self._asked_min_khz, self._asked_max_khz = self._clocks_khz[0], self._clocks_khz[-1]
        self._setspeed_khz = self._kernel_khz = self._clocks_khz[-1]
        self._cap_khz: int | None = None
        self.khz = self._lies.get(self._kernel_khz, self._kernel_khz)
        """The clock that the processor really runs at."""
        folder = f"{POLICIES}/policy0"
        self._readers: dict[str, Callable[[], str]] = {
            f"{folder}/{name}": reader for name, reader in self._policy_readers().items()
        } | {TEMPERATURE: self._temperature, THROTTLED: self._throttled}
        self._writers: dict[str, Callable[[str], None]] = {
            f"{folder}/scaling_governor": self._set_governor,
            f"{folder}/scaling_min_freq": self._set_min,
            f"{folder}/scaling_max_freq": self._set_max,
            f"{folder}/scaling_setspeed": self._set_speed,
        }

    def cap(self, khz: int | None) -> None:
        """Let the firmware hold the clock at or below `khz`, or as the kernel asks with None."""
        self._cap_khz = khz
        self._run_at(self._kernel_khz)

    def read(self, path: str) -> str:
        """Return a file's text. Raises OSError."""
        if path not in self._readers:
            raise _os_error(errno.ENOENT, self.where(path))
        return self._readers[path]()

    def write(self, path: str, text: str) -> None:
        """Write a file. Raises OSError."""
        if path not in self._readers:
            raise _os_error(errno.ENOENT, self.where(path))
        if path not in self._writers or not self.writable:
            raise _os_error(errno.EACCES, self.where(path))
        self._writers[path](text.strip())

    def names(self, folder: str) -> list[str]:
        """Return what a folder holds, sorted."""
        prefix = f"{folder}/"
        inside = (path[len(prefix) :] for path in self._readers if path.startswith(prefix))
        return sorted({path.split("/")[0] for path in inside})

    def where(self, path: str) -> str:
        """Return the path as on a real board."""
        return f"/sys/{path}"

    # -- files ---------------------------------------------------------------------------------

    def _policy_readers(self) -> dict[str, Callable[[], str]]:
        clocks = self._clocks_khz
        return {
            "scaling_available_frequencies": lambda: " ".join(map(str, clocks)) + " ",
            "scaling_available_governors": lambda: " ".join(self._governors) + " ",
            "scaling_governor": lambda: self._governor,
            "scaling_min_freq": lambda: str(self._limits_khz()[0]),
            "scaling_max_freq": lambda: str(self._limits_khz()[1]),
            "scaling_setspeed": self._speed,
            "scaling_cur_freq": lambda: str(self._kernel_khz),
            "cpuinfo_cur_freq": lambda: str(self._firmware_khz()),
            "cpuinfo_min_freq": lambda: str(clocks[0]),
            "cpuinfo_max_freq": lambda: str(clocks[-1]),
            "related_cpus": lambda: "0 1 2 3",
        }

    def _speed(self) -> str:
        return str(self._setspeed_khz) if self._governor == "userspace" else "<unsupported>"

    def _temperature(self) -> str:
        cool = self._cap_khz is None
        return str(round(self._celsius() * 1000) if cool else HOT_MILLICELSIUS)

    def _throttled(self) -> str:
        return f"{0 if self._cap_khz is None else CAPPED_NOW:x}"

    def _set_governor(self, text: str) -> None:
        if text not in self._governors:
            raise _os_error(errno.EINVAL, "scaling_governor")
        if text == "userspace" and self._governor != text:
            # cpufreq_userspace.c starts at the clock that is in force.
            self._setspeed_khz = self._kernel_khz
        self._governor = text
        self._govern()

    def _set_min(self, text: str) -> None:
        self._asked_min_khz = _unsigned(text)
        self._govern()

    def _set_max(self, text: str) -> None:
        self._asked_max_khz = _unsigned(text)
        self._govern()

    def _set_speed(self, text: str) -> None:
        if self._governor != "userspace":
            raise _os_error(errno.EINVAL, "scaling_setspeed")
        self._setspeed_khz = _unsigned(text)
        self._govern()

    # -- kernel and firmware -------------------------------------------------------------------

    def _limits_khz(self) -> tuple[int, int]:
        """Both limits in force: clamped to what there is, the maximum over the minimum."""
        lowest, highest = self._clocks_khz[0], self._clocks_khz[-1]
        most = min(max(self._asked_max_khz, lowest), highest)
        return min(max(self._asked_min_khz, lowest), most), most

    def _govern(self) -> None:
        least, most = self._limits_khz()
        target = {"userspace": self._setspeed_khz, "powersave": least}.get(self._governor, most)
        target = min(max(target, least), most)
        # CPUFREQ_RELATION_L: the lowest clock at or above the target, if the limits allow it.
        above = [khz for khz in self._clocks_khz if target <= khz <= most]
        below = [khz for khz in self._clocks_khz if khz <= most]
        self._run_at(above[0] if above else below[-1])

    def _firmware_khz(self) -> int:
        """Return what the firmware takes for the clock: a cap shows, a lie does not."""
        return self._kernel_khz if self._cap_khz is None else self.khz

    def _run_at(self, kernel_khz: int) -> None:
        khz, lowest = self._lies.get(kernel_khz, kernel_khz), self._clocks_khz[0]
        if self._cap_khz is not None:
            cap_khz = self._cap_khz
            khz = min(khz, max((k for k in self._clocks_khz if k <= cap_khz), default=lowest))
        if khz != self.khz:
            self._transition(self.khz, khz)
        self._kernel_khz, self.khz = kernel_khz, khz


def _unsigned(text: str) -> int:
    if not text.isdigit():
        raise _os_error(errno.EINVAL, text)
    return int(text)


def _os_error(code: int, where: str) -> OSError:
    return OSError(code, os.strerror(code), where)
