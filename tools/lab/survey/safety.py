"""What speaks against a survey before it begins, and that no two run at once."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from edge_infer.boards.clock_lease import DEFAULT_FOLDER
from edge_infer.boards.contract import Thermometer
from edge_infer.boards.thermal import UNDERVOLTAGE
from edge_infer.lab.survey.computer import PROC, SUPPLIES, battery, daemons
from edge_infer.lab.survey.errors import SurveyError

LEAST_PERCENT = 20
SINCE_BOOT = 16
"""The firmware's flags since boot stand so many bits above those of now."""
LOCK = "survey.lock"


def reasons_against(
    thermometer: Thermometer, proc: Path = PROC, supplies: Path = SUPPLIES
) -> list[str]:
    """Return why a survey of this computer should not begin now, a sentence each."""
    reasons = []
    source = battery(supplies)
    if source is not None and source.percent < LEAST_PERCENT:
        reasons.append(
            f"it runs on the battery {source.name} at {source.percent} %: connect the supply"
        )
    flags = thermometer.flags() or 0
    if flags & UNDERVOLTAGE:
        reasons.append("the firmware says that the supply voltage is too low now: another supply")
    elif flags & UNDERVOLTAGE << SINCE_BOOT:
        reasons.append(
            "the firmware says that the supply voltage has been too low since boot: use the "
            "board's own supply and a short cable, and boot again"
        )
    others = daemons(proc)
    if others:
        names = " ".join(dict.fromkeys(other.split()[0] for other in others))
        reasons.append(
            f"{', '.join(others)} sets the clock as well: sudo systemctl stop {names}, and start "
            "it again afterwards"
        )
    return reasons


@contextmanager
def alone(folder: Path, machine: bool) -> Iterator[None]:
    """Hold a folder, and with `machine` this computer, for one survey.

    Raises:
        SurveyError: another one runs; its process is named.
        OSError: the folder cannot be written.
    """
    held: list[IO[str]] = []
    try:
        held.append(_locked(folder / f".{LOCK}", f"another survey writes {folder}"))
        if machine:
            held.append(_locked(_machine_lock(), "another survey measures this computer"))
        yield
    finally:
        for lock in held:
            lock.close()


def _machine_lock() -> Path:
    """Return a file that every user of this computer finds."""
    with suppress(OSError):
        DEFAULT_FOLDER.mkdir(parents=True, exist_ok=True)
    if os.access(DEFAULT_FOLDER, os.W_OK):
        return DEFAULT_FOLDER / LOCK
    return Path(tempfile.gettempdir()) / f"edge-infer-{LOCK}"


def _locked(path: Path, taken: str) -> IO[str]:
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    lock = os.fdopen(os.open(path, flags, 0o664), "r+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        holder = lock.read().strip()
        lock.close()
        raise SurveyError(
            f"{taken} (process {holder or 'unknown'}): wait for its end, or end it"
        ) from None
    lock.truncate(0)
    lock.write(f"{os.getpid()}\n")
    lock.flush()
    return lock
