"""The kernel's files under /sys, as drivers here use them: read, write, list."""

from pathlib import Path
from typing import Protocol


class Sysfs(Protocol):
    """A sysfs tree. Paths are relative to its root, with forward slashes."""

    def read(self, path: str) -> str:
        """Return a file's text without its line end. Raises OSError."""
        ...

    def write(self, path: str, text: str) -> None:
        """Write a file in one go. Raises OSError, as the kernel decides."""
        ...

    def names(self, folder: str) -> list[str]:
        """Return what a folder holds, sorted; nothing if it is absent."""
        ...

    def where(self, path: str) -> str:
        """Return the path as a person would type it."""
        ...


class RealSysfs:
    """The tree below `root`."""

    def __init__(self, root: Path = Path("/sys")) -> None:
        self._root = root

    def read(self, path: str) -> str:
        """Return a file's text without its line end. Raises OSError."""
        return (self._root / path).read_text().rstrip("\n")

    def write(self, path: str, text: str) -> None:
        """Write a file in one go. Raises OSError, as the kernel decides."""
        with (self._root / path).open("w") as file:
            file.write(text)

    def names(self, folder: str) -> list[str]:
        """Return what a folder holds, sorted; nothing if it is absent."""
        try:
            return sorted(entry.name for entry in (self._root / folder).iterdir())
        except OSError:
            return []

    def where(self, path: str) -> str:
        """Return the path as a person would type it."""
        return str(self._root / path)
