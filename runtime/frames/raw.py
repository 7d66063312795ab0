"""Raw frames on a pipe, so that `rpicam-vid ... | edge-infer run BUNDLE -` works.

`rpicam-vid --codec yuv420` writes planar YUV 4:2:0 (all of Y, then U and V at half size), its only
uncompressed format, with rows that are padded to a multiple of 64 bytes; `ffmpeg -f rawvideo`
writes rows without padding, and gray or rgb24 as well.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from edge_infer.runtime.errors import InputError, SourceError

PixelFormat = Literal["gray", "rgb", "yuv420", "int8"]
PIXEL_FORMATS: tuple[PixelFormat, ...] = ("gray", "rgb", "yuv420", "int8")
"""int8 is no picture: the integers of a model's own input, one frame after the other."""
CAMERA_ALIGNMENT = 64
"""Rows of rpicam-vid's yuv420 are padded to a multiple of so many bytes."""


class ByteStream(Protocol):
    """What gives bytes."""

    def read(self, size: int, /) -> bytes | None:
        """Return up to `size` bytes, none at the end."""
        ...


@dataclass(frozen=True, slots=True)
class RawFormat:
    """How the frames on a pipe are laid out, in uint8."""

    width: int
    height: int
    pixels: PixelFormat
    stride: int | None = None
    """Bytes from one row to the next (of luma for yuv420); None for rows without padding."""

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise InputError(f"a frame of {self.width}x{self.height} pixels holds nothing")
        if self.pixels == "yuv420" and (self.width % 2 or self.height % 2):
            raise InputError(
                f"yuv420 halves both sides: {self.width}x{self.height} must be even numbers"
            )
        least = self.width * (3 if self.pixels == "rgb" else 1)
        if self.row_bytes < least:
            raise InputError(
                f"a stride of {self.row_bytes} bytes is less than a row of {self.width} "
                f"{self.pixels} pixels, {least} bytes"
            )
        if self.pixels == "yuv420" and self.row_bytes % 2:
            raise InputError(f"yuv420 halves its rows: a stride of {self.row_bytes} must be even")

    @property
    def row_bytes(self) -> int:
        """Bytes from one row to the next."""
        return self.stride or self.width * (3 if self.pixels == "rgb" else 1)

    @property
    def frame_bytes(self) -> int:
        """Bytes of one frame."""
        area = self.row_bytes * self.height
        return area * 3 // 2 if self.pixels == "yuv420" else area

    def __str__(self) -> str:
        padded = f" in rows of {self.stride} bytes" if self.stride else ""
        return f"{self.width}x{self.height} {self.pixels}{padded}"


@dataclass(frozen=True, slots=True)
class RawOptions:
    """What somebody said of raw frames."""

    size: tuple[int, int] | None = None
    """Width and height."""
    pixels: PixelFormat | None = None
    stride: int | None = None


NOTHING_STATED = RawOptions()


def camera_stride(width: int) -> int:
    """Return the bytes of a row of rpicam-vid's yuv420."""
    return -(-width // CAMERA_ALIGNMENT) * CAMERA_ALIGNMENT


def read_raw_frames(
    stream: ByteStream, raw: RawFormat, shape: tuple[int, ...]
) -> Iterator[NDArray[Any]]:
    """Yield frames as uint8 arrays of shape [height, width, channels], scaled to `shape`.

    Raises:
        SourceError: the stream ends within a frame, or gives no frame at all.
    """
    count = 0
    while content := read_exactly(stream, raw.frame_bytes):
        if len(content) < raw.frame_bytes:
            raise stream_error(
                f"standard input ended {len(content)} bytes into frame {count} of "
                f"{raw.frame_bytes} bytes ({raw}); "
                "give --frame-size, --frame-format and --frame-stride as the sender writes them",
                count,
            )
        yield nearest(unpack(content, raw, shape[2]), shape)
        count += 1
    if not count:
        raise InputError("standard input gave no frame")


def stream_error(text: str, frames: int) -> SourceError:
    """Return the error of a stream: where not one frame was whole, it is not what was awaited."""
    return SourceError(text) if frames else InputError(text)


def read_exactly(stream: ByteStream, size: int) -> bytes:
    """Return so many bytes of a stream, fewer only at its end."""
    parts: list[bytes] = []
    left = size
    while left and (part := stream.read(left)):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def unpack(content: bytes, raw: RawFormat, channels: int) -> NDArray[Any]:
    """Return one frame as [height, width, channels], uint8."""
    flat = np.frombuffer(content, np.uint8)
    height, width = raw.height, raw.width
    split = raw.row_bytes * height
    rows = flat[:split].reshape(height, raw.row_bytes)
    if raw.pixels == "rgb":
        colour = rows[:, : 3 * width].reshape(height, width, 3)
        return colour if channels == 3 else _luma(colour)
    luma = rows[:, :width, np.newaxis]
    if raw.pixels != "yuv420":
        return luma if channels == 1 else np.repeat(luma, channels, axis=2)
    if channels == 1:
        return luma
    chroma = flat[split:].reshape(2, height // 2, raw.row_bytes // 2)[..., : width // 2]
    return to_rgb(luma[..., 0], *chroma.repeat(2, axis=1).repeat(2, axis=2))


def _luma(colour: NDArray[Any]) -> NDArray[Any]:
    """Grey of RGB by ITU-R BT.601, section 2.5.1."""
    grey = colour @ np.array([0.299, 0.587, 0.114])
    luma: NDArray[Any] = np.rint(grey).astype(np.uint8)[..., np.newaxis]
    return luma


def to_rgb(
    luma: NDArray[np.uint8], blue: NDArray[np.uint8], red: NDArray[np.uint8]
) -> NDArray[Any]:
    """Return RGB of full-range YCbCr (JFIF, the inverse of BT.601's matrix), each [H, W]."""
    y, cb, cr = (plane.astype(np.float32) for plane in (luma, blue, red))
    cb, cr = cb - 128, cr - 128
    rgb = np.stack([y + 1.402 * cr, y - 0.344136 * cb - 0.714136 * cr, y + 1.772 * cb], -1)
    colour: NDArray[Any] = np.clip(np.rint(rgb), 0, 255).astype(np.uint8)
    return colour


def scaled(width: int, height: int, shape: tuple[int, ...]) -> dict[str, int | None]:
    """Return, for the document of an input, what `nearest` does to frames of a size."""
    wanted = f"{shape[1]}x{shape[0]}"
    return {} if f"{width}x{height}" == wanted else {f"scaled to {wanted}, nearest": None}


def nearest(frame: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Return a frame scaled to [height, width] by the nearest centre."""
    height, width = shape[:2]
    if frame.shape[:2] == (height, width):
        return frame
    rows = (np.arange(height) * 2 + 1) * frame.shape[0] // (2 * height)
    columns = (np.arange(width) * 2 + 1) * frame.shape[1] // (2 * width)
    return np.ascontiguousarray(frame[rows][:, columns])
