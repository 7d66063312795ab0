"""Where slots live: files whose operations a power cut may interrupt, and that may be damaged.

What is promised after a cut: bytes that were synced are there; a rename is all or nothing, and
lasts once the folder was synced. Nothing else. Of what is found no more is expected than that it
is in the folder: it may be anything of any size.
"""

import errno
import hashlib
import os
import shutil
import stat
from pathlib import Path
from typing import Protocol


class SlotStorage(Protocol):
    """A flat set of files."""

    def read(self, name: str) -> bytes:
        """Return a file's bytes. Raises FileNotFoundError."""
        ...

    def size(self, name: str) -> int | None:
        """Return a file's size in bytes, None when there is none.

        Raises OSError when something else has its name.
        """
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
    """The files of one folder, open to its owner alone: they decide what runs.

    One file stays open while it grows: an upload appends often.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._open_name = ""
        self._descriptor = -1

    def read(self, name: str) -> bytes:
        """See SlotStorage."""
        return (self._folder / name).read_bytes()

    def size(self, name: str) -> int | None:
        """See SlotStorage."""
        path = self._folder / name
        try:
            found = path.stat()
        except FileNotFoundError:
            return None
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "it is no file", str(path))
        return found.st_size

    def create(self, name: str) -> None:
        """See SlotStorage."""
        self.close()
        path = self._folder / name
        self.clear(name)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600))

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
        self.clear(new)
        (self._folder / old).rename(self._folder / new)

    def remove(self, name: str) -> None:
        """See SlotStorage."""
        self.close()
        self.clear(name)
        (self._folder / name).unlink(missing_ok=True)

    def clear(self, name: str) -> None:
        """Remove what has a file's name and is none: it would be in the way, or never read."""
        path = self._folder / name
        try:
            mode = path.lstat().st_mode
        except FileNotFoundError:
            return
        if stat.S_ISDIR(mode):
            shutil.rmtree(path)
        elif not stat.S_ISREG(mode):
            path.unlink()

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


# --- files that say themselves whether they are whole ---

_SEALED_BYTES = 1 << 16
"""No sealed file is longer; what claims to be is not read."""


def seal(content: bytes) -> bytes:
    """Return `content` behind its SHA-256."""
    return hashlib.sha256(content).hexdigest().encode() + b"\n" + content


def read_sealed(storage: SlotStorage, name: str) -> bytes | None:
    """Return what `seal` was given, None where there is no such file.

    Raises OSError or ValueError, with the reason, when the file is not whole.
    """
    size = storage.size(name)
    if size is None:
        return None
    if size > _SEALED_BYTES:
        raise ValueError(f"it has {size} bytes, at most {_SEALED_BYTES}")
    found, _, content = storage.read(name).partition(b"\n")
    if found != hashlib.sha256(content).hexdigest().encode():
        raise ValueError("its checksum is wrong")
    return content
