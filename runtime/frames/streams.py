"""What comes over standard input, told by its first bytes: Y4M, JPEG pictures, or what to mend.

Y4M as mjpegtools describes it (yuv4mpeg(5)): a line of parameters, then each frame behind a line
FRAME. JPEG by ITU-T T.81, annex B: segments with lengths, entropy-coded data in which FF 00 is no
marker, and FF D9 at the end.
"""

import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_infer.runtime.errors import InputError, SourceError
from edge_infer.runtime.frames.images import ImageReader
from edge_infer.runtime.frames.raw import ByteStream, nearest, read_exactly, stream_error, to_rgb

JPEG, Y4M = "jpeg", "y4m"
_RAW_ADVICE = (
    "give raw frames: rpicam-vid --codec yuv420, or ffmpeg -i - -f rawvideo -pix_fmt gray - (or "
    "rgb24), with --frame-size and --frame-format"
)
_HEAD_BYTES = 64
_LINE_BYTES = 4096
_CHUNK_BYTES = 1 << 16
_MOST_PIXELS = 1 << 26
_MOST_JPEG_BYTES = 1 << 27


class PeekedStream:
    """A stream whose first bytes can be looked at."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self._some: Callable[[int], bytes | None] = getattr(stream, "read1", stream.read)
        self._ahead = b""

    def peek(self, size: int) -> bytes:
        """Return the next bytes without taking them; fewer only at the end."""
        while len(self._ahead) < size and self._fill():
            pass
        return self._ahead[:size]

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes, none at the end."""
        if self._ahead:
            part, self._ahead = self._ahead[:size], self._ahead[size:]
            return part
        return self._stream.read(size) or b""

    def through(self, mark: bytes, most: int) -> bytes:
        """Return the bytes up to a mark and with it; without it at the end or after `most`."""
        at = 0
        while (found := self._ahead.find(mark, at)) < 0:
            at = len(self._ahead)
            if at > most or not self._fill():
                return self.read(at)
        return self.read(found + len(mark))

    def _fill(self) -> bool:
        part = self._some(_CHUNK_BYTES) or b""
        self._ahead += part
        return bool(part)


def recognise(stream: PeekedStream) -> str | None:
    """Return `JPEG`, `Y4M`, or None for bytes that may be raw frames.

    Raises:
        InputError: they are something else that is known, with what to do about it.
    """
    head = stream.peek(_HEAD_BYTES)
    if head.startswith(b"\xff\xd8\xff"):
        return JPEG
    if head.startswith(b"YUV4MPEG2 "):
        return Y4M
    for found, name, advice in _OTHERS:
        if re.match(found, head, re.DOTALL):
            raise InputError(f"standard input is {name}, no raw frames: {advice}")
    return None


_FILE_ADVICE = "give the file itself as INPUT"
_OTHERS: tuple[tuple[bytes, str, str], ...] = (
    (rb"\x00\x00(\x00)?\x01[\x09\x27\x47\x67]", "H.264 video", _RAW_ADVICE),
    (rb"\x00\x00(\x00)?\x01[\x40\x42\x44\x46]\x01", "H.265 video", _RAW_ADVICE),
    (rb"\x00\x00\x01[\xb3\xba]", "MPEG video", _RAW_ADVICE),
    (rb"....ftyp", "MP4 video", _RAW_ADVICE),
    (rb"\x47[\x40\x60]\x00\x10|\x47\x40\x11\x10", "MPEG-TS video", _RAW_ADVICE),
    (rb"\x1a\x45\xdf\xa3", "Matroska or WebM video", _RAW_ADVICE),
    (rb"RIFF....AVI ", "AVI video", _RAW_ADVICE),
    (rb"RIFF....WAVE", "WAV audio", "give frames, not sound"),
    (rb"FLV\x01", "FLV video", _RAW_ADVICE),
    (rb"DKIF", "IVF video", _RAW_ADVICE),
    (rb"OggS", "Ogg video", _RAW_ADVICE),
    (rb"\x89PNG\r\n", "PNG images", _FILE_ADVICE),
    (rb"GIF8[79]a", "a GIF image", _FILE_ADVICE),
    (rb"RIFF....WEBP", "a WebP image", _FILE_ADVICE),
    (rb"P[2-6]\s+(#[^\n]*\n)?\d+\s+\d+\s", "PNM images", _FILE_ADVICE),
    (rb"BM....\0\0\0\0", "a BMP image", _FILE_ADVICE),
    (rb"(II\x2a\0|MM\0\x2a)", "a TIFF or raw camera image", _FILE_ADVICE),
    (rb"\x93NUMPY", "an .npy file", _FILE_ADVICE),
    (rb"PK\x03\x04", "a ZIP or .npz file", _FILE_ADVICE),
    (rb"\x1f\x8b\x08", "gzip data", "unpack it first: gunzip -c FILE | edge-infer run BUNDLE -"),
)


@dataclass(frozen=True)
class Y4mFormat:
    """The parameters of a Y4M stream."""

    width: int
    height: int
    colour: str
    """Without range or siting: 420, 422, 444 or mono."""
    full_range: bool
    stated_range: bool

    @property
    def chroma(self) -> tuple[int, int]:
        """Height and width of a chroma plane; 0 for mono."""
        down, across = {"420": (2, 2), "422": (1, 2), "444": (1, 1)}.get(self.colour, (0, 0))
        return (-(-self.height // down), -(-self.width // across)) if down else (0, 0)

    @property
    def frame_bytes(self) -> int:
        """Bytes of a frame without its line."""
        rows, columns = self.chroma
        return self.width * self.height + 2 * rows * columns


def read_y4m_header(stream: PeekedStream) -> Y4mFormat:
    """Read the first line. Raises InputError where it is damaged or of a kind that is not read."""
    words = stream.through(b"\n", _LINE_BYTES).decode("ascii", "replace").split()[1:]
    values = {word[0]: word[1:] for word in words if word[0] != "X"}
    ranges = [word[12:] for word in words if word.startswith("XCOLORRANGE=")]
    colour = re.fullmatch(r"(420(?=jpeg|mpeg2|paldv|$)|422(?=$)|444(?=$)|mono(?=$)).*",
                          values.get("C", "420"))  # fmt: skip
    sides = values.get("W", ""), values.get("H", "")
    if not all(re.fullmatch(r"\d{1,6}", side) for side in sides):
        raise InputError(f"standard input: a Y4M header without size: {' '.join(words)[:80]!r}")
    width, height = map(int, sides)
    if not 0 < width * height <= _MOST_PIXELS:
        raise InputError(f"standard input: Y4M frames of {width}x{height}")
    if colour is None:
        raise InputError(
            f"standard input: Y4M of {values['C']}: 8 bits of 420, 422, 444 or mono are read; give "
            "ffmpeg -pix_fmt yuv420p -f yuv4mpegpipe"
        )
    return Y4mFormat(width, height, colour[1], ranges[:1] != ["LIMITED"], bool(ranges))


def read_y4m(
    stream: PeekedStream, y4m: Y4mFormat, shape: tuple[int, ...]
) -> Iterator[NDArray[Any]]:
    """Yield frames as uint8 [height, width, channels], scaled to `shape`.

    Raises:
        SourceError: the stream ends within a frame, or gives none.
    """
    count = 0
    while line := stream.through(b"\n", _LINE_BYTES):
        if not line.startswith(b"FRAME"):
            text = f"standard input: no FRAME where frame {count} of Y4M begins"
            raise stream_error(text, count)
        content = read_exactly(stream, y4m.frame_bytes)
        if len(content) < y4m.frame_bytes:
            raise stream_error(
                f"standard input ended {len(content)} bytes into frame {count} of "
                f"{y4m.frame_bytes} bytes ({y4m.width}x{y4m.height} Y4M)",
                count,
            )
        yield nearest(_y4m_pixels(content, y4m, shape[2]), shape)
        count += 1
    if not count:
        raise InputError("standard input gave no frame")


def _y4m_pixels(content: bytes, y4m: Y4mFormat, channels: int) -> NDArray[Any]:
    flat, size = np.frombuffer(content, np.uint8), y4m.width * y4m.height
    luma = flat[:size].reshape(y4m.height, y4m.width)
    if not y4m.full_range:
        luma = _widened(luma, 16, 219, 0)
    rows, columns = y4m.chroma
    if channels == 1 or not rows:
        return np.repeat(luma[..., np.newaxis], channels, axis=2)
    chroma = flat[size:].reshape(2, rows, columns)
    if not y4m.full_range:
        chroma = _widened(chroma, 128, 224, 128)
    down, across = -(-y4m.height // rows), -(-y4m.width // columns)
    wide = chroma.repeat(down, axis=1).repeat(across, axis=2)[:, : y4m.height, : y4m.width]
    return to_rgb(luma, *wide)


def _widened(values: NDArray[np.uint8], zero: int, span: int, onto: int) -> NDArray[np.uint8]:
    """Return levels of BT.601's limited range over all of 0 to 255."""
    full = (values.astype(np.float32) - zero) * (255 / span) + onto
    widened: NDArray[np.uint8] = np.clip(np.rint(full), 0, 255).astype(np.uint8)
    return widened


def read_jpegs(
    stream: PeekedStream, reader: ImageReader, skipped: list[str], strict: bool = False
) -> Iterator[NDArray[Any]]:
    """Yield JPEG pictures that follow each other (MJPEG) as pixels.

    Args:
        stream: their bytes.
        reader: decodes them.
        skipped: is told of each that cannot be decoded, and of a last one that is cut off.
        strict: raise for these instead.

    Raises:
        SourceError: what follows a picture is none, or there is no whole picture.
    """
    given = 0
    for number, content in enumerate(_jpegs(stream, skipped, strict)):
        try:
            pixels = reader.read(io.BytesIO(content), f"frame {number}")
        except InputError:
            raise
        except SourceError as error:
            if strict:
                raise stream_error(str(error), given) from None
            skipped.append(str(error))
            continue
        yield pixels
        given += 1
    if not given:
        raise InputError(f"standard input gave no whole JPEG: {'; '.join(skipped[:2])}")


def _jpegs(stream: PeekedStream, skipped: list[str], strict: bool) -> Iterator[bytes]:
    number = 0
    try:
        while content := _next_jpeg(stream, number):
            yield content
            number += 1
    except EOFError as error:
        if strict:
            raise stream_error(str(error), number) from None
        skipped.append(str(error))


def _next_jpeg(stream: PeekedStream, number: int) -> bytes:
    """Return the bytes of one picture, none at the end of the stream."""
    while stream.peek(2)[:1] == b"\0":  # some cameras pad between pictures
        stream.read(1)
    start = stream.peek(2)
    if not start:
        return b""
    if start != b"\xff\xd8":
        raise SourceError(f"standard input: no JPEG where frame {number} begins: {start.hex(' ')}")
    picture = bytearray(_some(stream, 2, number))
    while len(picture) < _MOST_JPEG_BYTES:
        marker = _marker(stream, picture, number)
        if marker == 0xD9:
            return bytes(picture)
        if marker == 0x01 or 0xD0 <= marker <= 0xD8:
            continue
        length = _some(stream, 2, number)
        picture += length + _some(stream, max(int.from_bytes(length, "big") - 2, 0), number)
    raise SourceError(f"standard input: frame {number} of JPEG has no end")


def _marker(stream: PeekedStream, picture: bytearray, number: int) -> int:
    """Take bytes up to a marker and with it; return its code."""
    while True:
        picture += stream.through(b"\xff", _MOST_JPEG_BYTES)
        if picture[-1] != 0xFF or len(picture) > _MOST_JPEG_BYTES:
            raise EOFError(f"frame {number} of JPEG has no end")
        code = b"\xff"
        while code == b"\xff":  # fill bytes
            code = _some(stream, 1, number)
            picture += code
        if code != b"\0":
            return code[0]


def _some(stream: PeekedStream, size: int, number: int) -> bytes:
    content = read_exactly(stream, size)
    if len(content) < size:
        raise EOFError(f"standard input ended within frame {number} of JPEG")
    return content
