"""A small picture as PNG (W3C, "Portable Network Graphics (PNG) Specification", 3rd edition)."""

import struct
import zlib
from base64 import b64encode
from typing import Any

import numpy as np
from numpy.typing import NDArray

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY, _COLOUR = 0, 2


def png(pixels: NDArray[np.uint8]) -> bytes:
    """Return pixels, shape [height, width] or [height, width, 3], as a file."""
    height, width = pixels.shape[:2]
    kind = _GREY if pixels.ndim == 2 else _COLOUR
    header = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
    rows = pixels.reshape(height, -1)
    unfiltered = np.concatenate([np.zeros((height, 1), np.uint8), rows], axis=1)
    packed = zlib.compress(unfiltered.tobytes(), 9)
    return _SIGNATURE + b"".join(
        _chunk(name, data) for name, data in ((b"IHDR", header), (b"IDAT", packed), (b"IEND", b""))
    )


def data_address(content: bytes) -> str:
    """Return a picture as an address that holds it."""
    return f"data:image/png;base64,{b64encode(content).decode()}"


def reduced(frame: NDArray[Any], most: int) -> NDArray[Any]:
    """Return a picture of at most so many pixels a side, each the mean of those it covers.

    Args:
        frame: shape [height, width, channels].
        most: greatest height and width.
    """
    step = -(-max(frame.shape[:2]) // most)
    if step == 1:
        return frame
    height, width = (size // step * step for size in frame.shape[:2])
    if not height or not width:
        return frame[::step, ::step]
    parts = frame[:height, :width].reshape(height // step, step, width // step, step, -1)
    found: NDArray[Any] = parts.mean(axis=(1, 3))
    return found


def _chunk(name: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(name + data)
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", checksum)
