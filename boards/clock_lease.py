"""What the clock was found at, kept on disk while it is ours.

A process killed outright cannot put anything back; the next one that starts does. Only values
that are still ours are restored, and never those of another boot, which the kernel has reset.
"""

import fcntl
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from edge_infer.boards.errors import ClockError

DEFAULT_FOLDER = Path("/run/edge-infer")


@dataclass(frozen=True, slots=True)
class Claim:
    """One policy: what its files held, and what we may have written to them."""

    found: Mapping[str, str]
    ours: Mapping[str, list[str]]


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A process, such that another with its number is not taken for it."""

    boot_id: str
    pid: int
    start_ticks: int
    """Field 22 of /proc/PID/stat."""

    @classmethod
    def current(cls, proc: Path = Path("/proc")) -> "ProcessIdentity":
        """Return this process."""
        boot_id = (proc / "sys/kernel/random/boot_id").read_text().strip()
        return cls(boot_id, os.getpid(), start_ticks(os.getpid(), proc))


def start_ticks(pid: int, proc: Path = Path("/proc")) -> int:
    """Return when a process was started, in ticks since boot; 0 if there is none."""
    try:
        # The second field is a name in brackets that may hold anything.
        return int((proc / str(pid) / "stat").read_text().rpartition(")")[2].split()[19])
    except (OSError, IndexError, ValueError):
        return 0


class ClockLease:
    """The clock of this machine, held by one process at a time.

    Args:
        folder: where the record and its lock lie; best on a tmpfs.
        process: who we are.
    """

    def __init__(
        self, folder: Path = DEFAULT_FOLDER, process: ProcessIdentity | None = None
    ) -> None:
        self._folder = folder
        self._process = process or ProcessIdentity.current()
        self._lock: IO[str] | None = None

    @property
    def held(self) -> bool:
        """True while this process has the clock."""
        return self._lock is not None

    def exists(self) -> bool:
        """Return whether somebody, dead or alive, left a record."""
        return self._record.exists()

    def left_over(self) -> dict[str, Claim]:
        """Return the claims of a process that died in this boot, by policy.

        Raises ClockError while we do not hold the lease.
        """
        if not self.held:
            raise ClockError("the clock lease must be taken before what is left can be read")
        try:
            record: dict[str, Any] = json.loads(self._record.read_text())
            if record["process"]["boot_id"] != self._process.boot_id:
                return {}
            return {name: Claim(**claim) for name, claim in record["policies"].items()}
        except (OSError, ValueError, KeyError, TypeError):
            return {}

    def try_take(self) -> bool:
        """Take the lease; False while another live process has it. Raises ClockError."""
        if self.held:
            return True
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            lock = (self._folder / "clock.lock").open("a+")
            # Whoever of the group comes next must be able to take it as well.
            with suppress(OSError):
                os.fchmod(lock.fileno(), 0o664)
        except OSError as error:
            raise ClockError(
                f"cannot keep the found clock in {self._folder}: {error.strerror}; create it with: "
                f"sudo install -d -o $USER {self._folder}"
            ) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            return False
        self._lock = lock
        return True

    def take(self) -> None:
        """Take the lease. Raises ClockError that names who has it."""
        if not self.try_take():
            raise ClockError(
                f"process {self._holder()} holds the clock ({self._record}); end it first"
            )

    def record(self, claims: Mapping[str, Claim]) -> None:
        """Write what was found, before anything is changed; a reader never sees half of it.

        Raises ClockError.
        """
        document = {
            "process": asdict(self._process),
            "policies": {name: asdict(claim) for name, claim in claims.items()},
        }
        partial = self._record.with_suffix(".part")
        try:
            partial.write_text(json.dumps(document))
            partial.chmod(0o664)  # whoever of the group comes next puts it back
            partial.replace(self._record)
        except OSError as error:
            raise ClockError(f"cannot write {self._record}: {error.strerror}") from error

    def release(self, restored: bool = True) -> None:
        """Let go; with `restored` false the record stays for the next start. Safe twice."""
        if self._lock is None:
            return
        if restored:
            self._record.unlink(missing_ok=True)
        self._lock.close()
        self._lock = None

    @property
    def _record(self) -> Path:
        return self._folder / "clock.json"

    def _holder(self) -> str:
        try:
            process = json.loads(self._record.read_text())["process"]
            if start_ticks(process["pid"]) == process["start_ticks"]:
                return str(process["pid"])
        except (OSError, ValueError, KeyError, TypeError):
            pass
        return "(unknown)"
