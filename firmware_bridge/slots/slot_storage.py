"""Where slots live and what they remember: files whose operations a power cut may interrupt.

What is promised after a cut: bytes that were synced are there; a rename is all or nothing, and
lasts once the folder was synced. Nothing else.
"""

import json
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol


class SlotStorage(Protocol):
    """A flat set of files."""

    def read(self, name: str) -> bytes:
        """Return a file's bytes. Raises FileNotFoundError."""
        ...

    def size(self, name: str) -> int | None:
        """Return a file's size in bytes, None when there is none."""
        ...

    def create(self, name: str) -> None:
        """Make an empty file, or empty the one there is."""
        ...

    def append(self, name: str, data: bytes) -> None:
        """Write behind the end of a file."""
        ...

    def truncate(self, name: str, size_bytes: int) -> None:
        """Cut a file down to `size_bytes`."""
        ...

    def sync(self, name: str) -> None:
        """Return when the file's bytes will survive a power cut."""
        ...

    def rename(self, old: str, new: str) -> None:
        """Give a file another name, replacing what had it."""
        ...

    def remove(self, name: str) -> None:
        """Delete a file if there is one."""
        ...

    def sync_folder(self) -> None:
        """Return when all renames and deletions will survive a power cut."""
        ...


class FolderStorage:
    """The files of one folder. One file stays open while it grows: an upload appends often."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._open_name = ""
        self._descriptor = -1

    def read(self, name: str) -> bytes:
        """See SlotStorage."""
        return (self._folder / name).read_bytes()

    def size(self, name: str) -> int | None:
        """See SlotStorage."""
        path = self._folder / name
        return path.stat().st_size if path.is_file() else None

    def create(self, name: str) -> None:
        """See SlotStorage."""
        self.close()
        (self._folder / name).write_bytes(b"")

    def append(self, name: str, data: bytes) -> None:
        """See SlotStorage. Raises OSError when the disk is full."""
        descriptor = self._opened(name)
        written = 0
        while written < len(data):
            written += os.write(descriptor, data[written:])

    def truncate(self, name: str, size_bytes: int) -> None:
        """See SlotStorage."""
        os.ftruncate(self._opened(name), size_bytes)

    def sync(self, name: str) -> None:
        """See SlotStorage."""
        os.fsync(self._opened(name))

    def rename(self, old: str, new: str) -> None:
        """See SlotStorage."""
        self.close()
        (self._folder / old).rename(self._folder / new)

    def remove(self, name: str) -> None:
        """See SlotStorage."""
        self.close()
        (self._folder / name).unlink(missing_ok=True)

    def sync_folder(self) -> None:
        """See SlotStorage."""
        descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def close(self) -> None:
        """Close the file that is open. May be called twice."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._open_name, self._descriptor = "", -1

    def _opened(self, name: str) -> int:
        if self._open_name != name:
            self.close()
            flags = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC
            self._descriptor = os.open(self._folder / name, flags)
            self._open_name = name
        return self._descriptor


def replace_file(storage: SlotStorage, name: str, content: bytes) -> None:
    """Write a file so that a power cut leaves its old content or the new one."""
    part = name + ".part"
    storage.create(part)
    storage.append(part, content)
    storage.sync(part)
    storage.rename(part, name)
    storage.sync_folder()


# --- what is remembered: which one runs, what is pending, what went wrong ---

_STATE_FILE = "state.json"


@dataclass(frozen=True, slots=True)
class Revert:
    """The last time a bundle was given up for the one before."""

    digest: str
    """Of the bundle that was given up, in hex."""
    version: str
    reason: str


@dataclass(frozen=True, slots=True)
class Pending:
    """The image that the next reset swaps in."""

    digest: str
    permanent: bool = False
    """Stays without a confirmation."""
    rollback_reason: str = ""
    """Set when the swap is a rollback to the bundle before."""


@dataclass(frozen=True, slots=True)
class SlotState:
    """Replaced as a whole, so that a power cut leaves the old one or the new one."""

    active: str = ""
    """Name of the slot that runs; empty before the first bundle."""
    confirmed: bool = False
    """False while the active image is on trial."""
    fallback: bool = False
    """While on trial: the other slot holds the confirmed image that a reset goes back to."""
    security_counter: int = 0
    """Highest counter ever confirmed; images below it are refused."""
    pending: Pending | None = None
    revert_reason: str = ""
    """Why the image on trial will be reverted, known before the reset that does it."""
    last_revert: Revert | None = None
    resets: int = 0

    def to_json(self) -> bytes:
        """Return the state as JSON."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_json(cls, text: bytes) -> "SlotState":
        """Read what `to_json` wrote. Raises ValueError, TypeError or KeyError for anything else."""
        fields: dict[str, Any] = json.loads(text)
        pending, revert = fields.pop("pending"), fields.pop("last_revert")
        state = cls(**fields)
        return replace(
            state,
            pending=Pending(**pending) if pending else None,
            last_revert=Revert(**revert) if revert else None,
        )


def save_state(storage: SlotStorage, state: SlotState) -> None:
    """Replace the stored state; a power cut leaves the old or the new one."""
    replace_file(storage, _STATE_FILE, state.to_json())


def load_state(storage: SlotStorage) -> SlotState | None:
    """Return the stored state, a new one where none was stored, None when it cannot be read."""
    try:
        return SlotState.from_json(storage.read(_STATE_FILE))
    except FileNotFoundError:
        return SlotState()
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
