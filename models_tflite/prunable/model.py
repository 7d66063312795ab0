"""A prunable file on a device: any of its ratios as a model of its own. Needs numpy alone.

Vectors of a flatbuffer may be shortened where they lie: a smaller length prefix, the bytes behind
are dead. So a ratio is a copy of the file with some numbers overwritten, and no flatbuffer writer
is needed.
"""

import hashlib
import mmap
import os
from collections.abc import Iterable, Sequence
from io import BytesIO, FileIO
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from edge_infer.models_tflite.errors import PrunableError, UnknownRatioError
from edge_infer.models_tflite.manifest import FULL_RATIO, nearest_ratio
from edge_infer.models_tflite.prunable.channels import Axis
from edge_infer.models_tflite.prunable.flat import FlatModel, Vector
from edge_infer.models_tflite.prunable.layer_table import LayerTable
from edge_infer.models_tflite.prunable.layout import (
    HASH_BYTES,
    HASH_OFFSET,
    METADATA_NAME,
    NO_BIAS,
    Layout,
    RatioCodes,
    check_header,
    read_payload,
)
from edge_infer.models_tflite.prunable.places import (
    WORD,
    Constant,
    Copy,
    Kept,
    Places,
    Source,
    find_constant,
)


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


class PatchPlan:
    """Every place of a file that a ratio overwrites, looked up and checked once."""

    def __init__(self, data: bytes, layout: Layout) -> None:
        """Look up the places.

        Raises:
            PrunableError: a place lies outside the file, is not what the layout takes it for, or
                belongs to two tensors.
        """
        places = Places(data, FlatModel(data), layout)
        self._layout = layout
        lengths = places.lengths()
        self._length_words = _words(at for at, _ in lengths)
        self._length_axes = np.array([axis for _, axis in lengths], np.intp)
        found = [_one_scale(places, index) for index in layout.activations]
        self._scale_words = _words(scale for scale, _ in found)
        self._zero_words = _words(zero for _, zero in found)
        constants = _find_constants(places, layout)
        self._layers = LayerTable(data, places, layout, constants)
        # The table writes scales of weights, scales and values of biases.
        written = {index for layer in layout.layers for index in (layer.weights, layer.bias)}
        self._others = [found for index, found in constants.items() if index not in written]
        places.check_apart()

    def apply(self, file: Source, copy: Copy, codes: RatioCodes) -> None:
        """Make a copy of the file that the plan was made for into that of a ratio.

        Args:
            file: the full width.
            copy: the same in other memory, to be changed.
            codes: of the ratio.

        Raises:
            PrunableError: there are fewer codes than channels, or one makes no sense.
        """
        layout = self._layout
        words = np.frombuffer(copy, "<i4", len(copy) // WORD)
        lengths = np.array([axis.size(codes.counts) for axis in layout.axes], np.int32)
        words[self._length_words] = lengths[self._length_axes]
        words.view("<f4")[self._scale_words] = codes.scales
        words[self._zero_words] = codes.zero_points
        words[self._zero_words + 1] = codes.zero_points >> 15  # the upper half: 0 or -1
        kept = [_kept(axis, layout.sizes, codes.counts) for axis in layout.axes]
        signs = self._layers.write(words, codes, kept, lengths)
        for weights, own in zip(self._layers.weights, signs, strict=True):
            weights.cut(file, copy, kept, own)
        for constant in self._others:
            constant.cut(file, copy, kept)
            constant.cut_scales(file, copy, kept)


def _words(places: Iterable[int]) -> NDArray[np.intp]:
    return np.array(list(places), np.intp) // WORD


def _kept(axis: Axis, sizes: Sequence[int], counts: Sequence[int]) -> Kept:
    if len(axis.segments) == 1 and axis.tile == 1:
        return slice(0, axis.size(counts))
    return axis.kept(sizes, counts)


def _one_scale(places: Places, index: int) -> tuple[int, int]:
    """Return where the scale and the zero point of an activation lie."""
    tensor = places.tensor(index)
    if tensor.scales.length != 1 or tensor.zero_points.length != 1:
        raise PrunableError(
            f"tensor {index} has {tensor.scales.length} scales, wants one: the file is damaged"
        )
    what = f"the scale of tensor {index}"
    return places.take(tensor.scales, WORD, what).at, places.take(tensor.zero_points, 8, what).at


def _find_constants(places: Places, layout: Layout) -> dict[int, Constant]:
    """Return the constants that are cut or get other values, by tensor."""
    cuts: dict[int, list[tuple[int, int]]] = {}
    for cut in layout.cuts:
        if places.tensor(cut.owner).data.length:
            cuts.setdefault(cut.owner, []).append((cut.position, cut.axis))
    for layer in layout.layers:
        cuts.setdefault(layer.weights, [])
        if layer.bias != NO_BIAS:
            cuts.setdefault(layer.bias, [])
    return {index: find_constant(places, index, own) for index, own in cuts.items()}
