"""A prunable file on a device: any of its ratios as a model of its own. Needs numpy alone."""

import hashlib
import mmap
import os
from io import BytesIO, FileIO
from pathlib import Path
from typing import Self

from edge_infer.models_tflite.errors import UnknownRatioError
from edge_infer.models_tflite.prunable.constants import Source
from edge_infer.models_tflite.prunable.errors import PrunableError
from edge_infer.models_tflite.prunable.flat import FlatModel, Vector
from edge_infer.models_tflite.prunable.layout import METADATA_NAME, RatioCodes
from edge_infer.models_tflite.prunable.patch import PatchPlan
from edge_infer.models_tflite.prunable.payload import (
    HASH_BYTES,
    HASH_OFFSET,
    check_header,
    read_payload,
)
from edge_infer.models_tflite.ratio_spec import FULL_RATIO, nearest_ratio


class PrunableModel:
    """An opened prunable file.

    Opened by path, it holds where to patch and the codes, not the weights: each ratio reads the
    file anew (0.1 ms a megabyte from the page cache), and nothing of it stays afterwards.
    """

    def __init__(self, data: bytes, path: Path | None = None) -> None:
        """Check a file and look up what its ratios overwrite; see `open`."""
        self._path = path
        self._data = None if path else data
        self._state = _state(path.stat()) if path else None
        layout, ratios = read_payload(check_hash(data))
        self._codes = {ratio.name: ratio for ratio in ratios}
        if len(self._codes) != len(ratios) or FULL_RATIO in self._codes:
            raise PrunableError(f"the ratios {[r.name for r in ratios]} of the file are not unique")
        self._plan = PatchPlan(data, layout)

    @classmethod
    def open(cls, source: bytes | str | os.PathLike[str]) -> Self:
        """Open a file by its content or its path.

        Raises:
            PrunableError: it has no prunable part, one of a newer version, or it was changed since
                it was written.
            OSError: it cannot be read.
        """
        if isinstance(source, bytes):
            return cls(source)
        path = Path(source)
        return cls(path.read_bytes(), path)

    @property
    def ratios(self) -> tuple[str, ...]:
        """All ratios, widest first."""
        return tuple(sorted({FULL_RATIO, *self._codes}, key=float, reverse=True))

    @property
    def full(self) -> bytes:
        """The file as it is, which is its full width.

        Raises:
            PrunableError: the file was replaced since it was opened.
        """
        if self._data is not None:
            return self._data
        with self._open() as file:
            return file.read()

    def nearest(self, ratio: float) -> str:
        """Return the name of the ratio nearest to a number; of two equally near the wider."""
        return nearest_ratio(self.ratios, ratio)

    def materialise(self, ratio: str) -> bytes:
        """Return the model of a ratio: as large as the file, with dead bytes where it was cut.

        Raises:
            UnknownRatioError: the file has no such ratio; those that it has are listed.
            PrunableError: the file was replaced since it was opened, or a code makes no sense.
            MemoryError: there is no room for it.
        """
        if ratio == FULL_RATIO:
            return self.full
        codes = self._of(ratio)
        # Interpreters take bytes alone. A BytesIO is written to where it lies and gives its bytes
        # away without a copy: new memory costs more than all that is written into it.
        source: Source
        if self._data is not None:
            copied, source = BytesIO(self._data), self._data
        else:
            with self._open() as file:
                copied, source = BytesIO(file.read()), _mapped(file)
        with copied.getbuffer() as content:
            self._plan.apply(source, content, codes)
        return copied.getvalue()

    def _open(self) -> FileIO:
        assert self._path is not None
        file = FileIO(self._path)
        if _state(os.fstat(file.fileno())) != self._state:
            file.close()
            raise PrunableError(f"{self._path} was replaced while in use: open it again")
        return file

    def _of(self, ratio: str) -> RatioCodes:
        codes = self._codes.get(ratio)
        if codes is None:
            raise UnknownRatioError(
                f"the file has no ratio {ratio}; there are: {', '.join(self.ratios)}"
            )
        return codes


def check_hash(data: bytes) -> bytes:
    """Return the prunable part of a file once its hash is found right.

    Raises:
        PrunableError: there is none, it is of a newer version, or the file was changed.
    """
    place = FlatModel(data).metadata(METADATA_NAME)
    if place is None:
        raise PrunableError(
            "the file has no prunable part: it is a plain model, of its full width alone"
        )
    payload = data[place.at : place.at + place.length]
    if check_header(payload) != file_hash(data, place):
        raise PrunableError(
            "the file is not the one that its prunable part was made for: it was changed, get it "
            "again or write it again with write_prunable"
        )
    return payload


def file_hash(data: bytes, payload: Vector) -> bytes:
    """Return the SHA-256 of a file, with the place of the hash itself as zeros."""
    start = payload.at + HASH_OFFSET
    digest = hashlib.sha256(memoryview(data)[:start])
    digest.update(bytes(HASH_BYTES))
    digest.update(memoryview(data)[start + HASH_BYTES :])
    return digest.digest()


def _mapped(file: FileIO) -> mmap.mmap:
    return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _state(found: os.stat_result) -> tuple[int, int, int]:
    return found.st_ino, found.st_size, found.st_mtime_ns
