"""What a prunable file says of itself: where its tensors are cut, and by how much per ratio.

Indices are those of the file. FORMAT.md has the bytes of the metadata buffer: little endian, a
header (magic, version, SHA-256 of the whole file with these 32 bytes as zeros), then the layout,
then one record per ratio.
"""

import re
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge_infer.models_tflite.errors import PrunableError
from edge_infer.models_tflite.prunable.channels import Axis, Segment
from edge_infer.models_tflite.prunable.coding import MOST_BITS, SCALE_BITS

METADATA_NAME = "edge_infer.prunable"
"""Name of the metadata entry."""
HASH_OFFSET = 8
HASH_BYTES = 32
NO_BIAS = 0xFFFF
RATIO_NAME = re.compile(r"0\.[0-9]*[1-9]")
"""Decimal text below 1, one way to write each."""
_VERSION = 1
_MAGIC = b"EIPR"
_HEADER = struct.Struct("<4sH2x32s")
_COUNTS = struct.Struct("<8H")


class Cut(NamedTuple):
    """One dimension that gets shorter, or one number that says a length."""

    owner: int
    """Tensor, or operator for a RESHAPE's own shape."""
    position: int
    """Dimension, or element."""
    axis: int
    """Index of the axis that gives the length."""


class Layer(NamedTuple):
    """One operator whose scales and biases differ per ratio; all are tensors."""

    weights: int
    bias: int
    """`NO_BIAS` without one."""
    source: int
    output: int


@dataclass(frozen=True)
class Layout:
    """What all ratios of a file share."""

    sizes: tuple[int, ...]
    """Channels of each group at full width."""
    axes: tuple[Axis, ...]
    cuts: tuple[Cut, ...]
    """Of tensors."""
    shape_constants: tuple[Cut, ...]
    """Elements of int32 constants."""
    reshapes: tuple[Cut, ...]
    """Elements of RESHAPE options."""
    activations: tuple[int, ...]
    """Tensors with one scale, which differs per ratio."""
    layers: tuple[Layer, ...]


@dataclass(frozen=True, eq=False)
class RatioCodes:
    """One ratio, coded."""

    name: str
    counts: tuple[int, ...]
    """Channels kept of each group."""
    scales: NDArray[np.float32]
    """Of the activations, shape [activations]."""
    zero_points: NDArray[np.int16]
    """Of the activations, shape [activations]."""
    bases: NDArray[np.float32]
    """Least ratio of a weight scale to the full width's, shape [layers]."""
    floors: NDArray[np.int32]
    """Least bias code, shape [layers]."""
    widths: NDArray[np.uint8]
    """Bits of a scale code, of a bias code less the floor, and of a sign, shape [layers, 3]."""
    bits: bytes
    """The scale codes of all layers, then all bias codes, then all signs."""


def write_payload(layout: Layout, ratios: Sequence[RatioCodes]) -> bytes:
    """Return the buffer, its hash still zero."""
    lists = (layout.cuts, layout.shape_constants, layout.reshapes, layout.layers)
    counts = (len(layout.sizes), len(layout.axes), *map(len, lists))
    parts = [
        _HEADER.pack(_MAGIC, _VERSION, bytes(HASH_BYTES)),
        _COUNTS.pack(*counts, len(layout.activations), len(ratios)),
        _u16(layout.sizes),
        *(_u16([axis.tile, len(axis.segments), *sum(axis.segments, ())]) for axis in layout.axes),
        *(_u16(sum(items, ())) for items in lists),
        _u16(layout.activations),
        *map(_ratio_bytes, ratios),
    ]
    return b"".join(parts)


def check_header(payload: bytes) -> bytes:
    """Return the hash that a payload carries.

    Raises:
        PrunableError: it is none, or of a newer version.
    """
    if len(payload) < _HEADER.size or payload[:4] != _MAGIC:
        raise PrunableError("the prunable part of the file is damaged: get the file again")
    _, version, digest = _HEADER.unpack_from(payload)
    if version != _VERSION:
        raise PrunableError(
            f"the prunable part of the file has format version {version}, this program reads "
            f"{_VERSION}: use the edge-infer version that made it, or a newer one"
        )
    return bytes(digest)


def read_payload(payload: bytes) -> tuple[Layout, tuple[RatioCodes, ...]]:
    """Read what `write_payload` wrote.

    Raises:
        PrunableError: it is cut short, or refers to parts that it does not have.
    """
    check_header(payload)
    reader = _Reader(payload, _HEADER.size)
    groups, axes, *lengths, activations, ratios = reader.u16(_COUNTS.size // 2)
    layout = Layout(
        sizes=tuple(reader.u16(groups)),
        axes=tuple(_read_axis(reader, groups) for _ in range(axes)),
        cuts=_read_cuts(reader, lengths[0], axes),
        shape_constants=_read_cuts(reader, lengths[1], axes),
        reshapes=_read_cuts(reader, lengths[2], axes),
        layers=tuple(Layer(*reader.u16(4)) for _ in range(lengths[3])),
        activations=tuple(reader.u16(activations)),
    )
    return layout, tuple(_read_ratio(reader, layout) for _ in range(ratios))


def _u16(values: Iterable[int]) -> bytes:
    return np.array(list(values), "<u2").tobytes()


def _ratio_bytes(ratio: RatioCodes) -> bytes:
    name = ratio.name.encode("ascii")
    return b"".join(
        [
            struct.pack("<B", len(name)),
            name,
            _u16(ratio.counts),
            ratio.scales.astype("<f4").tobytes(),
            ratio.zero_points.astype("<i2").tobytes(),
            ratio.bases.astype("<f4").tobytes(),
            ratio.floors.astype("<i4").tobytes(),
            ratio.widths.astype(np.uint8).tobytes(),
            struct.pack("<I", len(ratio.bits)),
            ratio.bits,
        ]
    )


class _Reader:
    def __init__(self, data: bytes, at: int) -> None:
        self._data, self._at = data, at

    def take(self, count: int) -> bytes:
        start, self._at = self._at, self._at + count
        if self._at > len(self._data):
            raise PrunableError("the prunable part of the file is cut short: get the file again")
        return self._data[start : self._at]

    def u16(self, count: int) -> list[int]:
        values: list[int] = self.array("<u2", count).tolist()
        return values

    def array(self, dtype: str, count: int) -> NDArray[np.generic]:
        return np.frombuffer(self.take(np.dtype(dtype).itemsize * count), dtype)


def _read_axis(reader: _Reader, groups: int) -> Axis:
    tile, count = reader.u16(2)
    segments = tuple(Segment(*reader.u16(2)) for _ in range(count))
    if not tile or not count or any(s.group >= groups or not s.repeat for s in segments):
        raise _inconsistent("an axis")
    return Axis(segments, tile)


def _read_cuts(reader: _Reader, count: int, axes: int) -> tuple[Cut, ...]:
    cuts = tuple(Cut(*reader.u16(3)) for _ in range(count))
    if any(cut.axis >= axes for cut in cuts):
        raise _inconsistent("a cut")
    return cuts


def _read_ratio(reader: _Reader, layout: Layout) -> RatioCodes:
    activations, layers = len(layout.activations), len(layout.layers)
    name = reader.take(reader.take(1)[0]).decode("ascii", errors="replace")
    counts = tuple(reader.u16(len(layout.sizes)))
    if not RATIO_NAME.fullmatch(name) or any(
        not 1 <= count <= size for count, size in zip(counts, layout.sizes, strict=True)
    ):
        raise _inconsistent("a ratio")
    ratio = RatioCodes(
        name,
        counts,
        reader.array("<f4", activations).astype(np.float32),
        reader.array("<i2", activations).astype(np.int16),
        reader.array("<f4", layers).astype(np.float32),
        reader.array("<i4", layers).astype(np.int32),
        reader.array("u1", 3 * layers).astype(np.uint8).reshape(layers, 3),
        reader.take(int(reader.array("<u4", 1).astype(np.int64)[0])),
    )
    scales = np.concatenate([ratio.scales, ratio.bases])
    if (ratio.widths > (SCALE_BITS, MOST_BITS, 1)).any() or not (
        np.isfinite(scales) & (scales > 0)
    ).all():
        raise _inconsistent("a code")
    return ratio


def _inconsistent(what: str) -> PrunableError:
    return PrunableError(f"{what} in the prunable part of the file makes no sense: it is damaged")
