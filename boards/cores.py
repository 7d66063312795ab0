"""The processors that this process may run on, and the one that it runs on."""

import logging
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

_LAST_PROCESSOR = 36
"""Field 39 of /proc/PID/stat, counted from the one behind the name."""


class Cores(Protocol):
    """Where the threads of this process run."""

    def allowed(self) -> frozenset[int]:
        """Return the processors that may run this thread."""
        ...

    def running(self) -> int:
        """Return the processor that runs this thread."""
        ...

    def pin(self, cpus: Iterable[int]) -> None:
        """Let all threads, and those that they start, run on these alone. Raises OSError."""
        ...


class LinuxCores:
    """Fulfils `Cores` for this process."""

    def allowed(self) -> frozenset[int]:
        """Return the processors that may run this thread."""
        return frozenset(os.sched_getaffinity(0))

    def running(self) -> int:
        """Return the processor that runs this thread."""
        fields = Path("/proc/thread-self/stat").read_text().rpartition(")")[2].split()
        return int(fields[_LAST_PROCESSOR])

    def pin(self, cpus: Iterable[int]) -> None:
        """Let all threads, and those that they start, run on these alone. Raises OSError."""
        wanted = set(cpus)
        os.sched_setaffinity(0, wanted)
        for thread in Path("/proc/self/task").iterdir():
            with suppress(ProcessLookupError):  # it has ended
                os.sched_setaffinity(int(thread.name), wanted)


class Staying:
    """Keeps a process on some processors until it is let go.

    Args:
        cores: of the process.
        cpus: where it is to stay; as found if there are none or it may run on no others.
    """

    def __init__(self, cores: Cores, cpus: frozenset[int]) -> None:
        self._cores = cores
        self._cpus = cpus
        self._found: frozenset[int] | None = None

    def begin(self, why: str) -> None:
        """Pin, once, and say so: a user must know which cores a figure is of."""
        found = self._cores.allowed()
        if self._found is not None or not self._cpus or found <= self._cpus:
            return
        log = logging.getLogger(__name__)
        cpus = ", ".join(map(str, sorted(self._cpus)))
        try:
            self._cores.pin(self._cpus & found)
        except OSError as error:
            log.warning("cannot stay on cores %s (%s): clocks are of %s", cpus, error.strerror, why)
            return
        self._found = found
        log.warning("runs on cores %s alone, those of %s", cpus, why)

    def end(self) -> None:
        """Let go. May be called twice."""
        if self._found is not None:
            with suppress(OSError):
                self._cores.pin(self._found)
        self._found = None
