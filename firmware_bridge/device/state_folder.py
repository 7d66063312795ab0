"""The folder of everything a device remembers: for one agent at a time, and its owner alone.

Who can write there decides what runs, whatever is signed: so others may neither write nor read.
"""

import errno
import fcntl
import logging
import os
import secrets
import stat
from pathlib import Path

from edge_infer.firmware_bridge.slots.slot_storage import (
    FolderStorage,
    read_sealed,
    replace_file,
    seal,
)

_ID_FILE = "board-id"
_OURS = {"slots", "bundles", "log-ends", _ID_FILE}
_ID_BYTES = 16
_FILE_FLAGS = os.O_RDONLY | os.O_CLOEXEC

_log = logging.getLogger(__name__)


class StateFolder:
    """Locks the folder, made where it is missing, until it is closed.

    Raises OSError: another agent uses it, and which one; or it cannot be made.
    """

    def __init__(self, path: Path) -> None:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._descriptor = os.open(path, _FILE_FLAGS | os.O_DIRECTORY)
        try:
            self._lock(path)
            _close_to_others(path)
        except OSError:
            self.close()
            raise
        self._path = path
        self._files = FolderStorage(path)
        self.slots = FolderStorage(path / "slots")
        """Of the bundle files."""
        self.bundles = path / "bundles"
        """Of the bundles, laid out."""
        self.board_id = _board_id(self._files)
        """Names this board to operators; made at the first start."""

    def file(self, name: str) -> Path:
        """Return the path of a file of the folder; what has its name and is none is removed."""
        self._files.clear(name)
        return self._path / name

    def close(self) -> None:
        """Let another agent use the folder. May be called twice."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1

    def _lock(self, path: Path) -> None:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _holder(os.fstat(self._descriptor).st_ino)
            raise OSError(errno.EWOULDBLOCK, f"{holder} uses it already", str(path)) from None
        except OSError as error:  # a file system without locks
            _log.warning("cannot lock %s: %s", path, error.strerror)


def _holder(inode: int) -> str:
    """Return who locks a file, as the kernel tells it (proc(5), /proc/locks)."""
    try:
        rows = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
        numbers = [row[4] for row in rows if row[1] == "FLOCK" and row[5].endswith(f":{inode}")]
        words = Path(f"/proc/{numbers[0]}/cmdline").read_bytes().split(b"\0")
    except (OSError, IndexError):
        return "another process"
    command = " ".join(b" ".join(words).decode("ascii", "replace").split())
    return f"process {numbers[0]} ({command[:160]})"


def _close_to_others(folder: Path) -> None:
    """Take from group and others what an older version gave them.

    A folder that holds other things as well, as /tmp does, stays as it is.
    """
    shared = any(p.name not in _OURS and p.suffix != ".part" for p in folder.iterdir())
    ours = (*folder.glob("slots"), *folder.glob("bundles"), *folder.glob("slots/*"))
    for path in ours if shared else (folder, *ours):
        found = path.lstat()
        if stat.S_ISLNK(found.st_mode) or not found.st_mode & 0o077:
            continue
        try:
            path.chmod(stat.S_IMODE(found.st_mode) & 0o700)
        except OSError as error:
            _log.warning("others can use %s, which decides what runs: %s", path, error.strerror)
    if shared and folder.stat().st_mode & 0o022:
        _log.warning("others can write in %s, and so decide what runs: see --state", folder)


def _board_id(storage: FolderStorage) -> bytes:
    try:
        found = read_sealed(storage, _ID_FILE)
        if found is not None and len(found) == _ID_BYTES:
            return found
    except (OSError, ValueError) as error:
        _log.warning("found damaged: %s: %s; this board gets a new one", _ID_FILE, error)
    board_id = secrets.token_bytes(_ID_BYTES)
    try:
        replace_file(storage, _ID_FILE, seal(board_id))
    except OSError as error:
        _log.error("the board's id could not be stored: %s", error.strerror)
    return board_id
