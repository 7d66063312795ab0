"""Folders of inputs: which files are frames, of which class, and what is left out."""

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from edge_infer.runtime.errors import InputError

IMAGE_SUFFIXES = frozenset(
    {
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".png",
        ".bmp",
        ".gif",
        ".webp",
        ".ppm",
        ".pgm",
        ".tif",
        ".tiff",
    }
)
VIDEO_SUFFIXES = (
    ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".h264", ".264", ".h265", ".hevc", ".ts",
    ".mpg", ".mpeg", ".3gp", ".flv", ".wmv",
)  # fmt: skip
"""What ffmpeg reads for us."""
_NO_CLASSES = frozenset({"__macosx", "__pycache__", "checkpoint", "checkpoints", "lost+found"})
"""Folders that no inputs lie in, unless a class is called so; and all that begin with a dot."""
_SIDES = frozenset({"train", "test", "val", "valid", "validation"})
_WORDNET_ID = re.compile("n[0-9]{8}")


@dataclass
class FolderListing:
    """The inputs of a folder."""

    paths: list[tuple[Path, int | None]] = field(default_factory=list)
    """Each with its class, None where it lies in no class folder."""
    left_out: Counter[str] = field(default_factory=Counter)
    """Files by suffix, and folders by name, that are no input."""

    @property
    def unlabelled(self) -> int:
        """Inputs without a class."""
        return sum(label is None for _, label in self.paths)


def list_images(folder: Path, labels: Sequence[str]) -> FolderListing:
    """List the images of a folder with their class.

    Subfolders are classes: matched to `labels` by name, else by number ("7"); images directly in
    the folder have none. Symbolic links to folders are followed.

    Raises:
        InputError: there is no image, a subfolder names no class, or links lead in a circle.
    """
    found = FolderListing()
    for path in _walk(folder, (), labels, found.left_out):
        suffix = path.suffix.lower()
        if path.name.startswith("."):
            found.left_out["hidden"] += 1
        elif suffix not in IMAGE_SUFFIXES:
            found.left_out[suffix or path.name] += 1
        else:
            inside = path.relative_to(folder).parts
            found.paths.append((path, _class_below(folder, inside, labels)))
    if not found.paths:
        rest = f"; what lies there: {left_out_text(found.left_out)}" if found.left_out else ""
        raise InputError(f"{folder}: holds no image ({', '.join(sorted(IMAGE_SUFFIXES))}){rest}")
    return found


def class_folders(folder: Path) -> list[str]:
    """Return the names of the subfolders that can be classes: numbers by value, others by name.

    Raises:
        InputError: there is none, or they are the sides of a data set.
    """
    try:
        inside = [entry.name for entry in folder.iterdir() if entry.is_dir()]
    except OSError as error:
        raise InputError(f"{folder}: cannot be listed: {error.strerror}") from None
    names = [name for name in inside if not _is_ignored(name, ())]
    if not names:
        raise InputError(f"{folder}: has no subfolder: make one a class, with its pictures inside")
    if all(name.lower() in _SIDES for name in names):
        raise InputError(
            f"{folder}: {', '.join(sorted(names))} are sides of a data set, no classes: give the "
            "folder inside which each class has one"
        )
    return sorted(names, key=int if all(map(str.isdecimal, names)) else None)


def _class_below(folder: Path, inside: tuple[str, ...], labels: Sequence[str]) -> int | None:
    try:
        return class_of(inside[0], labels) if len(inside) > 1 else None
    except InputError as error:
        raise InputError(f"{folder}: the subfolder {error}") from None


def left_out_text(left_out: Counter[str]) -> str:
    """Return what was left out, the most frequent first."""
    return ", ".join(f"{count} {what}" for what, count in left_out.most_common(8))


def _walk(
    folder: Path, above: tuple[str, ...], labels: Sequence[str], left_out: Counter[str]
) -> Iterator[Path]:
    real = os.path.realpath(folder)
    if real in above:
        raise InputError(f"{folder}: a symbolic link that leads back to {real}: a circle")
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise InputError(f"{folder}: cannot be listed: {error.strerror}") from None
    for entry in entries:
        if entry.is_dir():
            if _is_ignored(entry.name, labels):
                left_out[f"{entry.name}/"] += 1
            else:
                yield from _walk(entry, (*above, real), labels, left_out)
        elif entry.is_file():
            yield entry
        else:
            left_out["broken link" if entry.is_symlink() else "no plain file"] += 1


def _is_ignored(name: str, labels: Sequence[str]) -> bool:
    return (name.startswith(".") or name.lower() in _NO_CLASSES) and name not in labels


def class_of(name: str, labels: Sequence[str]) -> int:
    """Return the class that a folder's name means. Raises InputError if none.

    It is a label, its number, its WordNet id (n01440764 tench), or one of its names alone.
    """
    if name in labels:
        return list(labels).index(name)
    if name.isdecimal() and int(name) < len(labels):
        return int(name)
    meant = [index for index, label in enumerate(labels) if _plain(name) in _names_in(label)]
    if len(meant) == 1:
        return meant[0]
    if name.lower() in _SIDES:
        raise InputError(
            f"{name!r} is a side of a data set, no class of the bundle: give the folder inside "
            "which each class has one"
        )
    raise InputError(
        f"{name!r} is no class of the bundle; there are: {', '.join(labels[:20])}"
        + (", ..." if len(labels) > 20 else "")
    )


@cache
def _names_in(label: str) -> frozenset[str]:
    """Return what stands for a label: its WordNet id, and each of its names."""
    id_, _, rest = label.partition(" ")
    known = bool(_WORDNET_ID.fullmatch(id_)) and bool(rest)
    names = rest if known else label
    parts = {_plain(part) for part in (names, *names.split(","))}
    return frozenset(parts | {id_} if known else parts)


def _plain(name: str) -> str:
    """Return a name without what file systems and tools change: case, blanks, composed accents."""
    return re.sub(r"[\s_-]+", " ", unicodedata.normalize("NFC", name)).strip().lower()
