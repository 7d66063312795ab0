"""Folders of .bin files whose layout is stated, and what was said of them that does not fit."""

import re
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_infer.models_tflite.frame_spec import FrameSpec
from edge_infer.runtime.errors import InputError
from edge_infer.runtime.frames.raw import RawOptions
from edge_infer.runtime.frames.sources import open_source

COLOUR = FrameSpec((4, 6, 3), np.dtype(np.uint8), classes=2)
GREY = FrameSpec((4, 6, 1), np.dtype(np.uint8), classes=2)
PIXELS = np.arange(24, dtype=np.uint8).reshape(4, 6)


def folder(place: Path, content: bytes) -> Path:
    (place / "f.bin").write_bytes(content)
    (place / "y_labels.csv").write_text("f.bin,2,1\n")
    return place


def first(place: Path, spec: FrameSpec, options: RawOptions) -> NDArray[np.generic]:
    (frame,) = open_source(place, spec, ["a", "b"], raw=options)
    assert frame.label == 1
    return frame.data


def test_one_file_alone_is_a_frame_without_a_label(tmp_path: Path) -> None:
    folder(tmp_path, PIXELS.tobytes())
    source = open_source(tmp_path / "f.bin", GREY, ["a", "b"])
    (frame,) = source
    assert np.array_equal(frame.data[..., 0], PIXELS)
    assert frame.label is None and source.document()["unlabelled"] == 1


def test_what_lies_beside_the_files_is_counted(tmp_path: Path) -> None:
    folder(tmp_path, PIXELS.tobytes())
    (tmp_path / "g.bin").write_bytes(PIXELS.tobytes())
    (tmp_path / "sub").mkdir()
    for name in ("a.png", "b.png", "notes.txt", ".DS_Store", "README"):
        (tmp_path / name).write_text("x")
    source = open_source(tmp_path, GREY, ["a", "b"])
    assert source.document()["left_out"] == {
        ".png": 2, ".txt": 1, "hidden": 1, "README": 1, "sub/": 1,
        ".bin without a line in y_labels.csv": 1,
    }  # fmt: skip


@pytest.mark.parametrize("stride", [None, 9])
def test_gray_files_are_spread_over_three_channels(stride: int | None, tmp_path: Path) -> None:
    rows = PIXELS if stride is None else np.pad(PIXELS, [(0, 0), (0, stride - 6)])
    place = folder(tmp_path, rows.tobytes())
    found = first(place, COLOUR, RawOptions(pixels="gray", stride=stride))
    assert np.array_equal(found, np.repeat(PIXELS[..., None], 3, axis=2))


def test_colour_files_of_another_size_are_scaled_and_said(tmp_path: Path) -> None:
    large = np.repeat(np.repeat(np.stack([PIXELS] * 3, axis=2), 2, axis=0), 2, axis=1)
    options = RawOptions((12, 8), "rgb")
    source = open_source(folder(tmp_path, large.tobytes()), GREY, ["a", "b"], raw=options)
    assert np.array_equal(next(iter(source)).data[..., 0], PIXELS)
    document = source.document()
    assert document["done"] == {"read as 12x8 rgb": None, "scaled to 6x4, nearest": None}
    assert document["stride"] == 36 and document["unlabelled"] == 0


def test_luma_of_a_camera_is_found_behind_padded_rows(tmp_path: Path) -> None:
    luma = np.pad(PIXELS, [(0, 0), (0, 58)])
    place = folder(tmp_path, luma.tobytes() + bytes([128]) * (64 * 4 // 2))
    found = first(place, GREY, RawOptions(pixels="yuv420", stride=64))
    assert np.array_equal(found[..., 0], PIXELS)
    with pytest.raises(InputError, match="its rows are padded, give --frame-stride 64"):
        open_source(place, GREY, ["a", "b"], raw=RawOptions(pixels="yuv420"))


def test_bytes_that_are_no_pictures_may_be_said_to_be_no_int8(tmp_path: Path) -> None:
    spec = FrameSpec((24,), np.dtype(np.uint8), classes=2, like_pixels=False)
    place = folder(tmp_path, PIXELS.tobytes())
    assert np.array_equal(first(place, spec, RawOptions(pixels="gray")), PIXELS.ravel())
    with pytest.raises(InputError, match="say which with --frame-format int8 or gray, or build"):
        open_source(place, spec, ["a", "b"])


@pytest.mark.parametrize(
    ("spec", "options", "told"),
    [
        (COLOUR, RawOptions(pixels="rgb"), "24 bytes, 6x4 rgb has 72: give --frame-size"),
        (GREY, RawOptions((12, 8), "gray"), "24 bytes, 12x8 gray has 96"),
        (GREY, RawOptions((6, 4)), "go with --frame-format gray, rgb or yuv420"),
        (GREY, RawOptions(stride=8), "go with --frame-format gray, rgb or yuv420"),
        (GREY, RawOptions((6, 4), "int8"), "hold just what the bundle takes"),
        (FrameSpec((24,), np.dtype(np.float32)), RawOptions(pixels="gray"), "takes float32 [24]"),
        (GREY, RawOptions((5, 4), "yuv420"), "must be even numbers"),
    ],
)
def test_what_does_not_fit_is_told(
    spec: FrameSpec, options: RawOptions, told: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=re.escape(told)):
        open_source(folder(tmp_path, PIXELS.tobytes()), spec, ["a", "b"], raw=options)


@pytest.mark.parametrize(
    ("options", "flag"),
    [
        (RawOptions((6, 4)), "--frame-size"),
        (RawOptions(pixels="gray"), "--frame-format"),
        (RawOptions(stride=8), "--frame-stride"),
    ],
)
def test_arrays_say_themselves_what_they_hold(
    options: RawOptions, flag: str, tmp_path: Path
) -> None:
    np.save(tmp_path / "x.npy", PIXELS[None])
    with pytest.raises(InputError, match=f"says itself what it holds; {flag} is for raw frames"):
        open_source(tmp_path / "x.npy", GREY, ["a", "b"], raw=options)
