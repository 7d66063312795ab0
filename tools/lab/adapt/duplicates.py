"""Pictures that are there twice: in two classes one label is wrong, in one they would leak."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_infer.lab.adapt.errors import AdaptError
from edge_infer.lab.adapt.pictures import Pictures
from edge_infer.lab.tuning.calibration_data import frame_digest

_SHOWN = 3


def file_digests(pictures: Pictures) -> list[bytes]:
    """Return what tells each file from others; b"" for one that cannot be read."""
    return [_digest(path) for path in pictures.paths]


def _digest(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "blake2b").digest()
    except OSError:
        return b""


def mirrored_digest(frame: NDArray[np.generic]) -> bytes:
    """Return what tells a picture from others, the same for its mirror image."""
    return min(frame_digest(frame), frame_digest(frame[:, ::-1]))


def repeated(pictures: Pictures, digests: Iterable[tuple[int, bytes]]) -> list[int]:
    """Return the pictures that are there before already.

    Args:
        pictures: what they are of.
        digests: index and digest of some of them; empty digests tell nothing.

    Raises:
        AdaptError: some stand in two classes; a few are named.
    """
    first: dict[bytes, int] = {}
    again, torn = [], []
    for index, digest in digests:
        known = first.setdefault(digest, index) if digest else index
        if known == index:
            continue
        if pictures.labels[known] == pictures.labels[index]:
            again.append(index)
        else:
            torn.append(f"{pictures.name(known)} = {pictures.name(index)}")
    if torn:
        more = ", ..." if len(torn) > _SHOWN else ""
        raise AdaptError(
            f"{pictures.folder}: {len(torn)} pictures stand in two classes: "
            f"{', '.join(torn[:_SHOWN])}{more}: one of each pair is in the wrong class, take it out"
        )
    return again
