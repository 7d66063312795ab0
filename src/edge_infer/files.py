"""Files that are whole: a result appears under its name when all of it is on the disk, and a log
holds whole rows, whatever ends its writing.

Every OSError from here names the file that was asked for.
"""

import contextlib
import errno
import os
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Self

_ASIDE = ".part"
_FLUSH_S = 0.5
"""Rows that come more often than this are written together."""
_FLUSH_BYTES = 1 << 16


@contextmanager
def whole_file(path: Path, *, mode: int = 0o666, replace: bool = True) -> Iterator[BinaryIO]:
    """Give out a file to write aside of `path`, and rename it once all of it is on the disk.

    Nothing stands under `path`, or what stood there before, until then. A device or a pipe is
    written to as it is.

    Args:
        path: of the result; a symbolic link is followed.
        mode: permissions of a new file, before the umask; one that is replaced leaves its own.
        replace: False to refuse a file that is there already, with FileExistsError.
    """
    with _naming(path):
        place = Path(os.path.realpath(path))
        if place.exists() and not place.is_file():
            with place.open("wb") as file:
                yield file
            return
        if not replace and place.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        aside = place.with_name(f".{secrets.token_hex(8)}{_ASIDE}")
        try:
            with open(aside, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
                if place.exists():
                    os.fchmod(file.fileno(), stat.S_IMODE(place.stat().st_mode))
                yield file
                file.flush()
                os.fsync(file.fileno())
            aside.rename(place)
            _sync_folder(place.parent)
        finally:
            aside.unlink(missing_ok=True)


def write_whole(path: Path, content: str | bytes, *, mode: int = 0o666) -> None:
    """Write a result of one piece, see `whole_file`; text as UTF-8."""
    with whole_file(path, mode=mode) as file:
        file.write(content.encode() if isinstance(content, str) else content)


class RowFile:
    """A log that is written row by row: what is on the disk ends with a whole row.

    Rows wait for at most half a second while others come; `flush_due` writes the last of them.

    Args:
        path: of the log.
        append: keep what is there.
    """

    def __init__(self, path: Path, *, append: bool = False) -> None:
        self._path = path
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | (0 if append else os.O_TRUNC)
        with _naming(path):
            self._descriptor = os.open(path, flags, 0o666)
            self._regular = stat.S_ISREG(os.fstat(self._descriptor).st_mode)
            self._end = os.lseek(self._descriptor, 0, os.SEEK_END) if self._regular else 0
        self._pending: list[str] = []
        self._pending_bytes = 0
        self._flushed_s = 0.0
        self._failed = False

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._descriptor

    def write(self, rows: str) -> int:
        """Take rows, each with its end of line; a csv.writer may call this."""
        self._pending.append(rows)
        self._pending_bytes += len(rows)
        if self._pending_bytes > _FLUSH_BYTES or time.monotonic() - self._flushed_s > _FLUSH_S:
            self.flush()
        return len(rows)

    def flush_due(self) -> None:
        """Write what has waited for half a second."""
        if self._pending and time.monotonic() - self._flushed_s > _FLUSH_S:
            self.flush()

    def flush(self) -> None:
        """Write all that waits. What a full disk takes only in part is cut after its last row.

        Nothing is written after that: rows that are missing are missing at the end.
        """
        data = b"" if self._failed else "".join(self._pending).encode()
        self._pending, self._pending_bytes = [], 0
        self._flushed_s = time.monotonic()
        done = 0
        try:
            with _naming(self._path):
                while done < len(data):
                    done += os.write(self._descriptor, data[done:])
        except OSError:
            self._failed = True
            if self._regular:
                self._end += data.rfind(b"\n", 0, done) + 1
                with contextlib.suppress(OSError):
                    os.ftruncate(self._descriptor, self._end)
            raise
        self._end += len(data)

    def close(self) -> None:
        """Write all that waits, onto the disk. May be called twice."""
        if self._descriptor < 0:
            return
        try:
            self.flush()
            if self._regular:
                with _naming(self._path):
                    os.fsync(self._descriptor)
        finally:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _sync_folder(folder: Path) -> None:
    """Let a rename outlast a power cut, where the file system knows how."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Let an OSError that names no file, or the one aside, name the one that was asked for."""
    try:
        yield
    except OSError as error:
        name = error.filename
        if error.errno is None:  # not the system's
            raise
        if name is None or str(name).endswith(_ASIDE) or str(name) == str(path):
            reason = error.strerror or str(error)
            raise OSError(error.errno, f"cannot be written: {reason}", str(path)) from error
        raise
