"""Raw frames on a pipe, so that `rpicam-vid ... | edge-infer run BUNDLE -` works.

`rpicam-vid --codec yuv420` writes planar YUV 4:2:0 (all of Y, then U and V at half size), its only
uncompressed format; `ffmpeg -f rawvideo` writes gray or rgb24 as well.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from edge_infer.runtime.errors import SourceError

PixelFormat = Literal["gray", "rgb", "yuv420"]
PIXEL_FORMATS: tuple[PixelFormat, ...] = ("gray", "rgb", "yuv420")


@dataclass(frozen=True, slots=True)
class RawFormat:
    """How the frames on a pipe are laid out: rows without padding, uint8."""

    width: int
    height: int
    pixels: PixelFormat

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise SourceError(f"a frame of {self.width}x{self.height} pixels holds nothing")
        if self.pixels == "yuv420" and (self.width % 2 or self.height % 2):
            raise SourceError(
                f"yuv420 halves both sides: {self.width}x{self.height} must be even numbers"
            )

    @property
    def frame_bytes(self) -> int:
        """Bytes of one frame."""
        area = self.width * self.height
        return {"gray": area, "rgb": 3 * area, "yuv420": area * 3 // 2}[self.pixels]


def read_raw_frames(
    stream: BinaryIO, raw: RawFormat, shape: tuple[int, ...]
) -> Iterator[NDArray[Any]]:
    """Yield frames as uint8 arrays of shape [height, width, channels], scaled to `shape`.

    Raises:
        SourceError: the stream ends within a frame, or gives no frame at all.
    """
    count = 0
    while content := _read_exactly(stream, raw.frame_bytes):
        if len(content) < raw.frame_bytes:
            raise SourceError(
                f"standard input ended {len(content)} bytes into frame {count} of "
                f"{raw.frame_bytes} bytes ({raw.width}x{raw.height} {raw.pixels}); "
                "give --frame-size and --frame-format as the sender writes them"
            )
        yield _nearest(_unpack(content, raw, shape[2]), shape)
        count += 1
    if not count:
        raise SourceError("standard input gave no frame")


def _read_exactly(stream: BinaryIO, size: int) -> bytes:
    parts: list[bytes] = []
    left = size
    while left and (part := stream.read(left)):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _unpack(content: bytes, raw: RawFormat, channels: int) -> NDArray[Any]:
    flat = np.frombuffer(content, np.uint8)
    height, width = raw.height, raw.width
    if raw.pixels == "gray":
        grey = flat.reshape(height, width, 1)
        return grey if channels == 1 else np.repeat(grey, channels, axis=2)
    if raw.pixels == "rgb":
        colour = flat.reshape(height, width, 3)
        return colour if channels == 3 else _luma(colour)
    luma = flat[: height * width].reshape(height, width, 1)
    return luma if channels == 1 else _rgb(luma, flat[height * width :])


def _luma(colour: NDArray[Any]) -> NDArray[Any]:
    """Grey of RGB by ITU-R BT.601, section 2.5.1."""
    grey = colour @ np.array([0.299, 0.587, 0.114])
    luma: NDArray[Any] = np.rint(grey).astype(np.uint8)[..., np.newaxis]
    return luma


def _rgb(luma: NDArray[Any], chroma: NDArray[Any]) -> NDArray[Any]:
    """RGB of full-range YCbCr 4:2:0 (JFIF, the inverse of BT.601's matrix)."""
    height, width = luma.shape[:2]
    planes = chroma.reshape(2, height // 2, width // 2).repeat(2, axis=1).repeat(2, axis=2)
    blue, red = planes.astype(np.float32) - 128
    y = luma[..., 0].astype(np.float32)
    rgb = np.stack([y + 1.402 * red, y - 0.344136 * blue - 0.714136 * red, y + 1.772 * blue], -1)
    colour: NDArray[Any] = np.clip(np.rint(rgb), 0, 255).astype(np.uint8)
    return colour


def _nearest(frame: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    height, width = shape[:2]
    if frame.shape[:2] == (height, width):
        return frame
    rows = (np.arange(height) * 2 + 1) * frame.shape[0] // (2 * height)
    columns = (np.arange(width) * 2 + 1) * frame.shape[1] // (2 * width)
    return np.ascontiguousarray(frame[rows][:, columns])
