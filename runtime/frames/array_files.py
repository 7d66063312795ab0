"""Array files as frames and labels: .npy, .npz and IDX."""

import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge_infer.runtime.errors import InputError, SourceMissingError
from edge_infer.runtime.frames.idx import read_idx


class Arrays(NamedTuple):
    """What an array file holds."""

    frames: NDArray[Any]
    labels: NDArray[Any] | None
    unread: tuple[str, ...] = ()
    """Names of arrays that are neither."""


FRAME_NAMES = ("frames", "x", "x_test", "images", "arr_0")
LABEL_NAMES = ("labels", "y", "y_test", "arr_1")
"""Looked for in an .npz, in this order."""

_UNREADABLE = (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error)
_NPY, _ZIP = b"\x93NUMPY", b"PK\x03\x04"


def read_arrays(path: Path, labels_path: Path | None = None) -> Arrays | None:
    """Read frames and labels of an array file; None if the name is no array file's.

    Args:
        path: .npy, .npz or an IDX file.
        labels_path: labels of an .npy or IDX file; an IDX file's own are found beside it.

    Raises:
        SourceMissingError: there is no such file.
        InputError: it cannot be read, or holds no frames.
    """
    for suffixes, read in _READERS:
        if path.name.lower().endswith(suffixes):
            return read(path, labels_path)
    return None


def _load(path: Path) -> Any:
    """Return the one array of an .npy."""
    _check_magic(path, _NPY, ".npy")
    try:
        return np.load(path, allow_pickle=False)
    except _UNREADABLE as error:
        raise InputError(f"{path}: cannot be read as an array: {_reason(error)}") from None


def _check_magic(path: Path, magic: bytes, suffix: str) -> None:
    try:
        with path.open("rb") as file:
            found = file.read(6)
    except FileNotFoundError:
        raise SourceMissingError(f"there is no input {path}") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read as an array: {error.strerror}") from None
    if found.startswith(magic):
        return
    kind = {_NPY: "an .npy file", _ZIP: "an .npz file (a ZIP)"}
    other = next((words for known, words in kind.items() if found.startswith(known)), None)
    what = f"{other} under the name {suffix}: rename it" if other else f"not an {suffix} file"
    raise InputError(f"{path}: cannot be read as an array: {what}")


def _reason(error: Exception) -> str:
    if "pickle" in str(error):
        return "it holds Python objects (dtype object), which are not read; save numbers"
    said = " ".join(str(error).split()) or type(error).__name__
    return f"{said}; if it was cut off, get it again"


def _read_npy(path: Path, labels_path: Path | None) -> Arrays:
    return Arrays(_load(path), read_labels(labels_path) if labels_path else None)


def read_labels(path: Path) -> NDArray[Any]:
    """Read the labels of a file of their own: .npy, IDX, or an .npz that has labels."""
    if path.name.lower().endswith(".npz"):
        labels = _read_npz(path, None, frames_needed=False).labels
        if labels is None:
            raise InputError(f"{path}: holds no labels, looked for as {', '.join(LABEL_NAMES)}")
        return labels
    return read_idx(path) if _is_idx(path) else _load(path)


def _read_npz(path: Path, labels_path: Path | None, *, frames_needed: bool = True) -> Arrays:
    _check_magic(path, _ZIP, ".npz")
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            names = list(arrays)
            frames = _member(path, arrays, FRAME_NAMES)
            labels = None if labels_path else _member(path, arrays, LABEL_NAMES)
    except InputError:
        raise
    except _UNREADABLE as error:
        raise InputError(f"{path}: cannot be read as arrays: {_reason(error)}") from None
    if frames is None:
        if frames_needed:
            raise InputError(
                f"{path}: holds {', '.join(names) or 'nothing'}; frames are looked for under "
                f"{', '.join(FRAME_NAMES)}, labels under {', '.join(LABEL_NAMES)}"
            )
        frames = np.zeros(0)
    known = next((name for name in LABEL_NAMES if name in names), None)
    unread = [name for name in names if name not in (*FRAME_NAMES, known)]
    return Arrays(frames, read_labels(labels_path) if labels_path else labels, tuple(unread))


def _member(path: Path, arrays: Any, names: tuple[str, ...]) -> NDArray[Any] | None:
    name = next((name for name in names if name in arrays), None)
    if name is None:
        return None
    try:
        found: NDArray[Any] = arrays[name]
    except _UNREADABLE as error:
        raise InputError(f"{path}: the array {name} cannot be read: {_reason(error)}") from None
    return found


def _read_idx(path: Path, labels_path: Path | None) -> Arrays:
    beside = path.with_name(path.name.replace("images-idx3", "labels-idx1"))
    if labels_path is None and beside != path and beside.exists():
        labels_path = beside
    return Arrays(read_idx(path), read_labels(labels_path) if labels_path else None)


_IDX_SUFFIXES = ("ubyte", "ubyte.gz", ".idx", ".idx.gz", ".idx3", ".idx1")


def _is_idx(path: Path) -> bool:
    return path.name.lower().endswith(_IDX_SUFFIXES)


_READERS: tuple[tuple[tuple[str, ...], Callable[[Path, Path | None], Arrays]], ...] = (
    ((".npy",), _read_npy),
    ((".npz",), _read_npz),
    (_IDX_SUFFIXES, _read_idx),
)
