"""What comes over standard input, told by its first bytes and by what was said of it."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edge_infer.models_tflite.frame_spec import FrameSpec
from edge_infer.runtime.errors import InputError, SourceError
from edge_infer.runtime.frames.pipe import open_pipe
from edge_infer.runtime.frames.raw import (
    PixelFormat,
    RawFormat,
    RawOptions,
    camera_stride,
    read_raw_frames,
)

GREY = FrameSpec((4, 6, 1), np.dtype(np.uint8))
COLOUR = FrameSpec((4, 6, 3), np.dtype(np.uint8))
PICTURES = np.random.default_rng(3).integers(0, 256, (3, 4, 6), np.uint8)


def read(content: bytes, spec: FrameSpec = GREY, **stated: Any) -> np.ndarray[Any, Any]:
    source = open_pipe(io.BytesIO(content), spec, RawOptions(**stated))
    return np.stack([frame.data for frame in source])


@pytest.mark.parametrize("pixels", ["gray", "rgb", "yuv420"])
@pytest.mark.parametrize("channels", [1, 3])
def test_padded_rows_give_what_rows_without_padding_give(
    pixels: PixelFormat, channels: int
) -> None:
    width, height = 6, 4
    samples = {"gray": width, "rgb": 3 * width, "yuv420": width}[pixels]
    luma = np.random.default_rng(1).integers(0, 256, (height, samples), np.uint8)
    planes = [luma]
    if pixels == "yuv420":
        planes += [luma[:2, :3], luma[2:, 3:]]
    padded = [np.pad(plane, ((0, 0), (0, plane.shape[1] // 3)), mode="wrap") for plane in planes]
    plain, wide = (b"".join(p.tobytes() for p in parts) for parts in (planes, padded))
    frames = [
        next(read_raw_frames(io.BytesIO(content), raw, (height, width, channels)))
        for content, raw in (
            (plain, RawFormat(width, height, pixels)),
            (wide, RawFormat(width, height, pixels, samples * 4 // 3)),
        )
    ]
    assert np.array_equal(frames[0], frames[1])


def test_a_camera_pads_to_64() -> None:
    assert [camera_stride(width) for width in (1, 64, 300, 640)] == [64, 64, 320, 640]
    with pytest.raises(InputError, match="less than a row of 6 rgb pixels, 18 bytes"):
        RawFormat(6, 4, "rgb", 17)


def test_yuv420_may_be_padded() -> None:
    with pytest.raises(InputError, match=r"--frame-stride 64 for rpicam-vid, 6 for ffmpeg"):
        read(bytes(36), size=(6, 4), pixels="yuv420")
    assert len(read(bytes(72), size=(6, 4), pixels="yuv420", stride=6)) == 2
    assert len(read(bytes(64 * 6), size=(64, 4), pixels="yuv420")) == 1


def test_a_size_fits_or_is_stated() -> None:
    assert len(read(PICTURES[0].tobytes())) == 1
    with pytest.raises(InputError, match="give --frame-size"):
        read(PICTURES.tobytes())
    assert np.array_equal(read(PICTURES.tobytes(), size=(6, 4))[..., 0], PICTURES)


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\x00\x00\x00\x01\x67\x64\x00\x1f", r"H\.264.*--codec yuv420"),
        (b"\x00\x00\x00\x01\x40\x01\x0c", r"H\.265"),
        (b"\x00\x00\x00\x20ftypisom", "MP4"),
        (b"\x1a\x45\xdf\xa3\x01", "Matroska"),
        (b"RIFF\x00\x00\x00\x00AVI ", "AVI"),
        (b"\x89PNG\r\n\x1a\n", "PNG.*INPUT"),
        (b"P5\n6 4\n255\n", "PNM"),
        (b"\x93NUMPY\x01", "npy"),
        (b"PK\x03\x04", "npz"),
        (b"\x1f\x8b\x08\x00", "gunzip"),
    ],
)
def test_what_is_no_raw_frame_is_named_whatever_is_said_of_it(head: bytes, kind: str) -> None:
    with pytest.raises(InputError, match=kind):
        read(head + bytes(48), size=(6, 4), pixels="gray")


def jpegs(count: int) -> list[bytes]:
    parts = []
    for number in range(count):
        stream = io.BytesIO()
        Image.fromarray(np.full((4, 6), 50 * number, np.uint8)).save(stream, "JPEG")
        parts.append(stream.getvalue())
    return parts


def test_jpeg_pictures_are_decoded_and_a_cut_one_is_named() -> None:
    parts = jpegs(4)
    content = b"".join(parts[:3]) + b"\0\0" + parts[3][:-40]
    source = open_pipe(io.BytesIO(content), GREY, RawOptions((6, 4), "gray"))
    values = [int(frame.data.mean()) for frame in source]
    assert np.allclose(values, [0, 50, 100], atol=2)
    assert source.skipped == ["standard input ended within frame 3 of JPEG"]
    assert source.document()["left_out"] == {"unreadable": 1}
    with pytest.raises(SourceError, match="no whole JPEG"):
        read(parts[0][:-40])
    strict = open_pipe(io.BytesIO(content), GREY, RawOptions(), strict=True)
    with pytest.raises(SourceError, match="ended within frame 3 of JPEG"):
        list(strict)


def test_a_picture_that_cannot_be_decoded_is_left_out_or_ends_a_strict_run() -> None:
    good, bad = jpegs(1)[0], b"\xff\xd8\xff\xe0\0\4ab\xff\xd9"
    source = open_pipe(io.BytesIO(good + bad + good), GREY, RawOptions())
    assert len(list(source)) == 2 and "frame 1: not a readable image" in source.skipped[0]
    strict = open_pipe(io.BytesIO(good + bad + good), GREY, RawOptions(), strict=True)
    with pytest.raises(SourceError, match="frame 1: not a readable image"):
        list(strict)


def y4m(colour: str, *planes: np.ndarray[Any, Any], more: str = "") -> bytes:
    head = f"YUV4MPEG2 W6 H4 F30:1 Ip A1:1 {colour}{more}\n".encode()
    return head + b"FRAME\n" + b"".join(plane.tobytes() for plane in planes)


def test_y4m_says_its_size() -> None:
    luma, chroma = PICTURES[0], np.full((2, 3), 128, np.uint8)
    for content in (y4m("Cmono", luma), y4m("C420jpeg", luma, chroma, chroma)):
        assert np.array_equal(read(content)[0, ..., 0], luma)
    colour = read(y4m("C444", luma, *[np.full((4, 6), 128, np.uint8)] * 2), COLOUR)
    assert np.array_equal(colour[0], np.repeat(luma[..., None], 3, axis=2))
    with pytest.raises(InputError, match="Y4M of 6x4, --frame-size says 8x8"):
        read(y4m("Cmono", luma), size=(8, 8))
    with pytest.raises(InputError, match="420p10"):
        read(y4m("C420p10", luma))
    with pytest.raises(SourceError, match="ended 20 bytes into frame 0 of 24"):
        read(y4m("Cmono", luma)[:-4])


def test_y4m_of_limited_range_is_widened() -> None:
    luma = np.linspace(16, 235, 24).astype(np.uint8).reshape(4, 6)
    found = read(y4m("Cmono", luma, more=" XCOLORRANGE=LIMITED"))
    assert (found.min(), found.max()) == (0, 255)


def test_int8_frames_are_the_models_own_input() -> None:
    values = PICTURES.view(np.int8)
    own = FrameSpec((4, 6, 1), np.dtype(np.int8))
    assert np.array_equal(read(values.tobytes(), own)[..., 0], values)
    shifted = FrameSpec((4, 6, 1), np.dtype(np.uint8), signed=True, like_pixels=False)
    with pytest.raises(InputError, match="--frame-format int8, gray or rgb"):
        read(values.tobytes(), shifted)
    found = read(values.tobytes(), shifted, pixels="int8")
    assert np.array_equal(found[..., 0].astype(int) - 128, values)
    with pytest.raises(InputError, match="--source uint8"):
        read(values.tobytes(), own, pixels="gray", size=(6, 4))
    with pytest.raises(InputError, match=r"takes float32.*\.npy"):
        read(values.tobytes(), FrameSpec((4, 6, 1), np.dtype(np.float32)))


@pytest.mark.parametrize("size", [None, (6, 4)])
def test_a_layout_of_colour_is_not_guessed(size: tuple[int, int] | None) -> None:
    """Three gray frames have as many bytes as one of RGB."""
    colour = np.stack([PICTURES] * 3, axis=3)
    with pytest.raises(InputError, match=r"takes colour \[4, 6, 3\]: give --frame-format rgb"):
        read(colour.tobytes(), COLOUR, size=size)
    found = read(colour.tobytes(), COLOUR, size=(6, 4), pixels="rgb")
    assert np.array_equal(found, colour)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "gave no frame"),
        (b"hello\n", "ended 6 bytes into frame 0"),
        (y4m("Cmono", PICTURES[0])[:-4], "ended 20 bytes into frame 0"),
        (y4m("Cmono", PICTURES[0])[:-30], "no FRAME where frame 0|gave no frame"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "no whole JPEG"),
        (b"\x47\x40\x11\x10" + bytes(184), "MPEG-TS video"),
    ],
)
def test_what_holds_not_one_frame_is_another_input_than_was_said(content: bytes, told: str) -> None:
    with pytest.raises(InputError, match=told):
        read(content)


def test_a_stream_that_ends_after_frames_failed_on_the_way() -> None:
    with pytest.raises(SourceError, match="5 bytes into frame 2") as caught:
        read(PICTURES.tobytes()[:53], size=(6, 4))
    assert not isinstance(caught.value, InputError)
