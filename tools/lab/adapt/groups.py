"""Pictures that belong together, such as frames of one video, and sides that share no group."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_infer.lab.adapt.errors import AdaptError
from edge_infer.lab.adapt.pictures import Pictures

_SHOWN = 3


def folder_groups(pictures: Pictures) -> NDArray[np.int64]:
    """Return the group of each picture, shape [n], by the subfolder of its class that it lies in.

    Subfolders of one name are one group, also in two classes: frames of one video may show both.
    A picture right in a class folder is a group of its own.
    """
    names = []
    for index in range(len(pictures)):
        _, *below, file = pictures.name(index).split("/")
        names.append("/".join(below) + "/" if below else f"{index} {file}")
    return _numbered(names)


def read_groups(path: Path, pictures: Pictures) -> NDArray[np.int64]:
    """Return the group of each picture by a file of lines `class/picture.jpg,group`.

    A first part that names a folder stands for all pictures below it.

    Raises:
        AdaptError: the file cannot be read, a line is none of these, or pictures have no group.
    """
    known = _lines(path)
    names, missing = [], []
    for index in range(len(pictures)):
        name = pictures.name(index)
        above = [name, *(str(parent) for parent in Path(name).parents)]
        group = next((known[part] for part in above if part in known), None)
        names.append(group or "")
        if group is None:
            missing.append(name)
    if missing:
        raise AdaptError(
            f"{path}: {len(missing)} of {len(pictures)} pictures have no group: "
            f"{', '.join(missing[:_SHOWN])}{', ...' if len(missing) > _SHOWN else ''}; write a "
            f"line PATH,GROUP for each, with its path inside {pictures.folder}"
        )
    return _numbered(names)


def _lines(path: Path) -> dict[str, str]:
    try:
        rows = list(csv.reader(path.read_text("utf-8-sig").splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise AdaptError(f"{path}: no groups can be read: {reason}") from None
    found: dict[str, str] = {}
    for number, row in enumerate(rows, 1):
        cells = [cell.strip() for cell in row]
        if not any(cells):
            continue
        if len(cells) != 2 or not all(cells):
            raise AdaptError(f"{path}, line {number}: {','.join(row)!r}: wants PATH,GROUP")
        if found.setdefault(cells[0].strip("/"), cells[1]) != cells[1]:
            raise AdaptError(f"{path}, line {number}: {cells[0]} is in two groups")
    return found


def _numbered(names: Sequence[str]) -> NDArray[np.int64]:
    _, numbers = np.unique(np.array(names), return_inverse=True)
    return np.asarray(numbers.reshape(-1), np.int64)


def deal(
    labels: NDArray[np.int64],
    groups: NDArray[np.int64],
    shares: Sequence[float],
    random: np.random.Generator,
) -> NDArray[np.int64]:
    """Deal out whole groups to sides so that each side has its share of every class, about.

    Args:
        labels: class of each picture, shape [n].
        groups: group of each, shape [n].
        shares: of the sides; sum to 1.
        random: which of equal groups goes where.

    Returns:
        The side of each picture, shape [n].
    """
    numbers, of = np.unique(groups, return_inverse=True)
    held = np.zeros((len(numbers), int(labels.max()) + 1), np.int32)
    np.add.at(held, (of.reshape(-1), labels), 1)
    wanted = np.outer(shares, held.sum(axis=0)).astype(np.float64)
    order = random.permutation(len(numbers))
    order = order[np.argsort(-held.sum(axis=1)[order], kind="stable")]  # large ones first
    side = np.zeros(len(numbers), np.int64)
    for group in order:
        lacks = (wanted * held[group]).sum(axis=1)
        side[group] = int(lacks.argmax())
        wanted[side[group]] -= held[group]
    dealt: NDArray[np.int64] = side[of.reshape(-1)]
    return dealt
