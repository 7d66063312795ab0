"""Frames on standard input: raw, Y4M or JPEG pictures."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_infer.models_tflite.frame_spec import SHIFTED, FrameSpec
from edge_infer.runtime.errors import InputError
from edge_infer.runtime.frames.images import ImageReader
from edge_infer.runtime.frames.raw import (
    CAMERA_ALIGNMENT,
    ByteStream,
    PixelFormat,
    RawFormat,
    RawOptions,
    camera_stride,
    read_raw_frames,
    scaled,
)
from edge_infer.runtime.frames.raw_files import raw_dtype
from edge_infer.runtime.frames.source import RawFrame, Source, input_document
from edge_infer.runtime.frames.streams import (
    JPEG,
    Y4M,
    PeekedStream,
    Y4mFormat,
    read_jpegs,
    read_y4m,
    read_y4m_header,
    recognise,
)


class _Pipe(ABC):
    """What comes once, frame by frame, without labels."""

    name: str = "-"
    repeatable: bool = False
    spec: FrameSpec

    def __iter__(self) -> Iterator[RawFrame]:
        for index, data in enumerate(self._frames()):
            name = f"frame {index}"
            yield RawFrame(self.spec.check(data, name), None, name)

    @abstractmethod
    def _frames(self) -> Iterator[NDArray[Any]]:
        """Yield what the stream holds, in the shape that the bundle takes."""

    def warnings(self) -> list[str]:
        """See Source."""
        return []


@dataclass
class PipeSource(_Pipe):
    """Raw frames on a binary stream, for example a camera's standard output."""

    stream: ByteStream
    raw: RawFormat
    spec: FrameSpec
    skipped: list[str] = field(default_factory=list)

    def _frames(self) -> Iterator[NDArray[Any]]:
        raw = self.raw
        if raw.pixels != "int8":
            return read_raw_frames(self.stream, raw, self.spec.shape)
        tensors = read_raw_frames(self.stream, raw, (raw.height, raw.width, 1))
        return (tensor.view(np.int8).reshape(self.spec.shape) for tensor in tensors)

    def document(self) -> dict[str, Any]:
        """See Source."""
        done: dict[str, int | None] = {f"read as {self.raw}": None}
        if self.raw.pixels != "int8":
            done |= scaled(self.raw.width, self.raw.height, self.spec.shape)
        elif self.spec.dtype == np.uint8:
            done[SHIFTED] = None
        return input_document("raw frames", self.name, done, stride=self.raw.row_bytes)


@dataclass
class JpegSource(_Pipe):
    """JPEG pictures on a stream, one after the other (MJPEG)."""

    stream: PeekedStream
    spec: FrameSpec
    strict: bool = False
    """Raise at the first picture that cannot be decoded, instead of skipping it."""
    skipped: list[str] = field(default_factory=list)
    _reader: ImageReader = field(init=False)

    def __post_init__(self) -> None:
        self._reader = ImageReader(self.spec)

    def _frames(self) -> Iterator[NDArray[Any]]:
        return read_jpegs(self.stream, self._reader, self.skipped, self.strict)

    def document(self) -> dict[str, Any]:
        """See Source."""
        left_out = Counter({"unreadable": len(self.skipped)} if self.skipped else {})
        return input_document("JPEG pictures", self.name, dict(self._reader.done), left_out)


@dataclass
class Y4mSource(_Pipe):
    """Frames of a Y4M stream."""

    stream: PeekedStream
    y4m: Y4mFormat
    spec: FrameSpec
    skipped: list[str] = field(default_factory=list)

    def _frames(self) -> Iterator[NDArray[Any]]:
        return read_y4m(self.stream, self.y4m, self.spec.shape)

    def document(self) -> dict[str, Any]:
        """See Source."""
        form = self.y4m
        levels = "full" if form.full_range else "limited"
        stated = "" if form.stated_range else ", as the header states none"
        done: dict[str, int | None] = {
            f"read as {form.width}x{form.height} {form.colour}": None,
            f"{levels} range{stated}": None,
        }
        done |= scaled(form.width, form.height, self.spec.shape)
        return input_document("Y4M", self.name, done)


def open_pipe(
    stream: ByteStream, spec: FrameSpec, options: RawOptions, *, strict: bool = False
) -> Source:
    """Open a stream as frames, by its first bytes and what was said of it.

    Args:
        stream: read as frames are asked for.
        spec: what the bundle takes.
        options: what was said of raw frames.
        strict: raise at the first picture that cannot be decoded.

    Raises:
        InputError: the bytes are of a kind that is not read; or size, layout or stride must be
            stated.
    """
    peeked = PeekedStream(stream)
    kind = recognise(peeked)
    if kind is not None:
        _check_pictures(spec)
    if kind == JPEG:
        return JpegSource(peeked, spec, strict)
    if kind == Y4M:
        y4m = read_y4m_header(peeked)
        if options.size and options.size != (y4m.width, y4m.height):
            raise InputError(
                f"standard input is Y4M of {y4m.width}x{y4m.height}, --frame-size says "
                f"{options.size[0]}x{options.size[1]}"
            )
        return Y4mSource(peeked, y4m, spec)
    return PipeSource(peeked, _raw_format(peeked, spec, options), spec)


def _raw_format(stream: PeekedStream, spec: FrameSpec, options: RawOptions) -> RawFormat:
    if spec.dtype == np.float32:
        raise InputError(
            "the bundle takes float32 frames, standard input has bytes: give an .npy or .npz"
        )
    pixels = options.pixels or ("int8" if spec.dtype == np.int8 else "gray")
    if options.pixels is None:
        raw_dtype(spec, None, "standard input")
        _check_gray(spec)
    if pixels == "int8":
        return _tensor_format(spec, options)
    _check_pictures(spec)
    height, width = spec.shape[:2]
    if options.size is None:
        _check_one_frame(stream, RawFormat(width, height, pixels, options.stride))
    size = options.size or (width, height)
    _check_stride(size[0], pixels, options.stride)
    return RawFormat(*size, pixels, options.stride)


def _check_gray(spec: FrameSpec) -> None:
    """Refuse to guess a layout of colour: three gray frames have as many bytes as one of RGB."""
    if spec.dtype == np.uint8 and spec.shape[2:] == (3,):
        raise InputError(
            f"standard input has raw frames of no known layout, the bundle takes colour "
            f"{list(spec.shape)}: give --frame-format rgb, yuv420 or gray"
        )


def _check_pictures(spec: FrameSpec) -> None:
    if not spec.takes_pictures:
        raise InputError(
            f"standard input has pictures, the bundle takes {spec.dtype} {list(spec.shape)}: the "
            "model's own integers are given with --frame-format int8, pictures need a bundle of "
            "--source uint8"
        )


def _tensor_format(spec: FrameSpec, options: RawOptions) -> RawFormat:
    """Return the format of the model's own input: its size is the bundle's."""
    height, width, *rest = (*spec.shape, 1)[:3] if len(spec.shape) > 1 else (1, spec.shape[0], 1)
    if options.size not in (None, (width, height)) or options.stride:
        raise InputError(
            f"int8 frames are the model's own input, {list(spec.shape)}: leave --frame-size and "
            "--frame-stride out"
        )
    return RawFormat(width * prod(rest), height, "int8")


def _check_one_frame(stream: PeekedStream, raw: RawFormat) -> None:
    """Let a size that nobody stated pass where exactly one frame comes."""
    wanted = raw.frame_bytes
    if len(stream.peek(wanted + 1)) > wanted:
        raise InputError(
            f"standard input has more than one frame of {raw.width}x{raw.height} {raw.pixels} and "
            "raw frames carry no size: give --frame-size as the sender writes them, "
            f"{raw.width}x{raw.height} if they are the bundle's own"
        )


def _check_stride(width: int, pixels: PixelFormat, stride: int | None) -> None:
    if pixels == "yuv420" and stride is None and width % CAMERA_ALIGNMENT:
        raise InputError(
            f"yuv420 of width {width}, no multiple of {CAMERA_ALIGNMENT}, may have padded rows: "
            f"give --frame-stride {camera_stride(width)} for rpicam-vid, {width} for ffmpeg"
        )
