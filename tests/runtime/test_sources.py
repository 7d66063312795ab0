import io
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.runtime.test_idx import idx_bytes

from edge_infer.models_tflite.errors import FrameError
from edge_infer.models_tflite.frame_spec import FrameSpec
from edge_infer.runtime.errors import InputError, SourceError, SourceMissingError
from edge_infer.runtime.frames.raw import RawOptions
from edge_infer.runtime.frames.sources import ArraySource, open_source

GREY = FrameSpec((4, 6, 1), np.dtype(np.uint8))
COLOUR = FrameSpec((4, 6, 3), np.dtype(np.uint8))
FRAMES = np.random.default_rng(0).integers(0, 256, (3, 4, 6, 1), np.uint8)


def test_npy_with_labels_beside(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", FRAMES)
    np.save(tmp_path / "y.npy", np.array([2, 0, 1]))
    source = open_source(tmp_path / "x.npy", GREY, "abc", labels_path=tmp_path / "y.npy")
    read = list(source)
    assert np.array_equal(np.stack([frame.data for frame in read]), FRAMES)
    assert [frame.label for frame in read] == [2, 0, 1]
    assert [frame.label for frame in open_source(tmp_path / "x.npy", GREY, "abc")] == [None] * 3


@pytest.mark.parametrize(("x", "y"), [("frames", "labels"), ("x_test", "y_test"), ("x", "y")])
def test_npz_by_the_usual_names(tmp_path: Path, x: str, y: str) -> None:
    arrays: dict[str, Any] = {x: FRAMES, y: np.array([1, 2, 0])}
    np.savez(tmp_path / "a.npz", **arrays)
    read = list(open_source(tmp_path / "a.npz", GREY, "abc"))
    assert [frame.label for frame in read] == [1, 2, 0]


def test_arrays_of_no_known_name_are_counted_and_told(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", frames=FRAMES, target=[0, 1, 2][: len(FRAMES)])
    source = open_source(tmp_path / "a.npz", GREY, "abc")
    assert source.document()["left_out"] == {"array target": 1}
    assert source.document()["unlabelled"] == len(FRAMES)
    (warning,) = source.warnings()
    assert "target beside them is not read, labels are looked for under labels, y" in warning


def test_npz_without_frames_lists_what_it_holds(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", weights=FRAMES)
    with pytest.raises(SourceError, match="holds weights; frames are looked for under"):
        open_source(tmp_path / "a.npz", GREY, "abc")


def test_idx_finds_its_labels_and_its_channel(tmp_path: Path) -> None:
    (tmp_path / "t-images-idx3-ubyte").write_bytes(idx_bytes(FRAMES[..., 0], 8))
    (tmp_path / "t-labels-idx1-ubyte").write_bytes(idx_bytes(np.array([0, 2, 1], np.uint8), 8))
    read = list(open_source(tmp_path / "t-images-idx3-ubyte", GREY, "abc"))
    assert [frame.label for frame in read] == [0, 2, 1]
    assert read[0].data.shape == (4, 6, 1)


def images(folder: Path) -> None:
    for name, value in (("cat", 10), ("dog", 200)):
        (folder / name).mkdir(parents=True)
        for number in range(2):
            pixels = np.full((8, 12, 3), value + number, np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")


def test_an_image_folder_has_a_class_per_subfolder(tmp_path: Path) -> None:
    images(tmp_path / "set")
    read = list(open_source(tmp_path / "set", COLOUR, ["dog", "cat"]))
    assert [(frame.label, frame.name, int(frame.data[0, 0, 0])) for frame in read] == [
        (1, "0.png", 10),
        (1, "1.png", 11),
        (0, "0.png", 200),
        (0, "1.png", 201),
    ]
    assert all(frame.data.shape == (4, 6, 3) for frame in read)


def test_an_unreadable_image_is_skipped_named_and_counted_or_fatal(tmp_path: Path) -> None:
    images(tmp_path / "set")
    (tmp_path / "set" / "cat" / "0.png").write_bytes(b"\x89PNG not really")
    source = open_source(tmp_path / "set", COLOUR, ["dog", "cat"])
    assert len(list(source)) == 3
    assert len(list(source)) == 3
    assert len(source.skipped) == 1
    assert "0.png" in source.skipped[0]
    with pytest.raises(SourceError, match=r"0\.png: not a readable image"):
        list(open_source(tmp_path / "set", COLOUR, ["dog", "cat"], strict=True))


def test_a_subfolder_that_is_no_class_lists_the_classes(tmp_path: Path) -> None:
    images(tmp_path / "set")
    with pytest.raises(SourceError, match="'cat' is no class of the bundle; there are: dog, eel"):
        open_source(tmp_path / "set", COLOUR, ["dog", "eel"])


def test_numbered_subfolders_are_class_numbers(tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    Image.fromarray(np.zeros((4, 6), np.uint8)).save(tmp_path / "1" / "x.png")
    (frame,) = open_source(tmp_path, GREY, ["zero", "one"])
    assert frame.label == 1


def test_what_is_no_input_says_why(tmp_path: Path) -> None:
    with pytest.raises(SourceMissingError, match="there is no input"):
        open_source(tmp_path / "missing", GREY, "abc")
    with pytest.raises(SourceError, match="holds no image"):
        open_source(tmp_path, GREY, "abc")
    (tmp_path / "x.doc").write_text("words")
    with pytest.raises(SourceError, match="not a kind of input"):
        open_source(tmp_path / "x.doc", GREY, "abc")
    (tmp_path / "x.npy").write_bytes(b"\x93NUMPY broken")
    with pytest.raises(SourceError, match="cannot be read as an array"):
        open_source(tmp_path / "x.npy", GREY, "abc")


def test_pickled_arrays_are_not_executed(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(SourceError, match="cannot be read as an array"):
        open_source(tmp_path / "x.npy", GREY, "abc")


def test_wrong_shape_and_dtype_say_both_sides() -> None:
    with pytest.raises(FrameError, match=r"x\[0\]: frame of shape \[5, 6, 1\].*\[4, 6, 1\]"):
        ArraySource(np.zeros((2, 5, 6, 1), np.uint8), None, GREY, "x")
    with pytest.raises(FrameError, match="float32, values from 0"):
        ArraySource(np.zeros((2, 4, 6, 1), np.float32), None, GREY, "x")
    with pytest.raises(FrameError, match="2 frames but 3 labels"):
        ArraySource(np.zeros((2, 4, 6, 1), np.uint8), np.arange(3), GREY, "x")
    with pytest.raises(FrameError, match="holds no frame"):
        ArraySource(np.zeros((0, 4, 6, 1), np.uint8), None, GREY, "x")


def test_any_size_leaves_the_frame_to_the_bundle() -> None:
    spec = FrameSpec((4, 6, 1), np.dtype(np.uint8), any_size=True)
    ArraySource(np.zeros((1, 50, 60, 1), np.uint8), None, spec)
    with pytest.raises(FrameError, match="shape"):
        ArraySource(np.zeros((1, 50, 60, 3), np.uint8), None, spec)


def alpha_png(path: Path, alpha: int) -> None:
    pixels = np.full((4, 6, 4), 255, np.uint8)
    pixels[:, :3, 3] = alpha
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def test_transparent_images_need_a_ground(tmp_path: Path) -> None:
    alpha_png(tmp_path / "cat" / "a.png", 0)
    with pytest.raises(InputError, match=r"a\.png: is transparent in part.*--background"):
        list(open_source(tmp_path, GREY, ["cat"]))
    source = open_source(tmp_path, GREY, ["cat"], background=(0,))
    (frame,) = source
    assert frame.data[0, :, 0].tolist() == [0, 0, 0, 255, 255, 255]
    assert source.document()["done"] == {"composited": 1}
    red = FrameSpec((4, 6, 3), np.dtype(np.uint8), background=(255, 0, 0))
    (frame,) = open_source(tmp_path, red, ["cat"])
    assert frame.data[0, 0].tolist() == [255, 0, 0]


def test_an_opaque_alpha_channel_is_none(tmp_path: Path) -> None:
    alpha_png(tmp_path / "a.png", 255)
    (frame,) = open_source(tmp_path / "a.png", GREY, ["cat"])
    assert (frame.data == 255).all()


def test_images_are_turned_upright(tmp_path: Path) -> None:
    pixels = np.repeat(np.arange(6, dtype=np.uint8)[None] * 40, 4, axis=0)
    image = Image.fromarray(pixels).transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "a.png", exif=exif)
    source = open_source(tmp_path / "a.png", GREY, ["cat"])
    (frame,) = source
    assert np.array_equal(frame.data[..., 0], pixels)
    assert source.document()["done"] == {"turned by EXIF": 1}


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_16_bits_are_scaled_and_12_in_16_are_told(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(np.full((4, 6), 200 * 257, np.uint16)).save(path)
    source = open_source(path, GREY, ["cat"])
    (frame,) = source
    assert (frame.data == 200).all() and not source.warnings()
    Image.fromarray(np.full((4, 6), 4000, np.uint16)).save(path)
    list(source)
    assert "no value above 4000" in source.warnings()[0]


@pytest.mark.parametrize(("mode", "colour"), [("CMYK", (0, 255, 255, 0)), ("RGB", (255, 0, 0))])
def test_colours_become_rgb(tmp_path: Path, mode: str, colour: tuple[int, ...]) -> None:
    Image.new(mode, (6, 4), colour).save(tmp_path / "a.tif")
    (frame,) = open_source(tmp_path / "a.tif", COLOUR, ["cat"])
    assert frame.data[0, 0].tolist() == [255, 0, 0]


def test_what_is_no_image_is_left_out_and_counted(tmp_path: Path) -> None:
    images(tmp_path)
    for folder in (".git", "__MACOSX", ".ipynb_checkpoints", "checkpoints"):
        shutil.copytree(tmp_path / "cat", tmp_path / folder)
    (tmp_path / "cat" / "notes.txt").write_text("x")
    (tmp_path / "cat" / "._0.png").write_bytes(b"x")
    source = open_source(tmp_path, COLOUR, ["dog", "cat"])
    assert len(list(source)) == 4
    assert source.document()["left_out"] == {
        ".git/": 1, "__MACOSX/": 1, ".ipynb_checkpoints/": 1, "checkpoints/": 1, ".txt": 1,
        "hidden": 1,
    }  # fmt: skip


def test_links_to_class_folders_are_followed_and_circles_refused(tmp_path: Path) -> None:
    images(tmp_path / "real")
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "dog").symlink_to(tmp_path / "real" / "dog", target_is_directory=True)
    assert [frame.label for frame in open_source(tmp_path / "set", COLOUR, ["cat", "dog"])] == [
        1,
        1,
    ]
    (tmp_path / "real" / "dog" / "again").symlink_to(tmp_path / "real", target_is_directory=True)
    with pytest.raises(InputError, match="a circle"):
        open_source(tmp_path / "real", COLOUR, ["cat", "dog"])


def test_classes_that_are_needed_are_missed_before_any_image_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no image, and nobody looks")
    with pytest.raises(InputError, match="1 of 1 images lie in no class folder"):
        open_source(tmp_path, GREY, ["cat"], labelled=True)


def raw_files(folder: Path, lines: str) -> None:
    for index, frame in enumerate(FRAMES):
        (folder / f"f{index}.bin").write_bytes(frame.tobytes())
    (folder / "y_labels.csv").write_text(lines)


def test_raw_files_with_the_labels_of_mlperf_tiny(tmp_path: Path) -> None:
    raw_files(tmp_path, "f1.bin, 3, 2\nf0.bin,3,0\n")
    spec = FrameSpec((4, 6, 1), np.dtype(np.uint8), classes=3)
    source = open_source(tmp_path, spec, "abc")
    read = list(source)
    assert [frame.label for frame in read] == [2, 0]
    assert np.array_equal(read[0].data, FRAMES[1])
    assert source.document()["left_out"] == {".bin without a line in y_labels.csv": 1}
    own = FrameSpec((4, 6, 1), np.dtype(np.int8), classes=3)
    assert np.array_equal(next(iter(open_source(tmp_path, own, "abc"))).data, FRAMES[1].view("i1"))


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("f0.bin,4,0\n", "is of 4 classes, the bundle has 3"),
        ("f0.bin,3,3\n", "labels from 3 to 3"),
        ("f9.bin,3,0\n", "names 1 of 1 files that are not in"),
        ("f0.bin 3 0\n", "line 1.*wants file name, number of classes, class"),
        ("", "holds no line"),
    ],
)
def test_labels_of_raw_files_that_do_not_fit(tmp_path: Path, lines: str, message: str) -> None:
    raw_files(tmp_path, lines)
    with pytest.raises((InputError, FrameError), match=message):
        open_source(tmp_path, FrameSpec((4, 6, 1), np.dtype(np.uint8), classes=3), "abc")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.npz", "npy", "an .npy file under the name .npz"),
        ("x.npy", "npz", r"an .npz file .* under the name .npy"),
        ("x.npz", "cut", "get it again"),
        ("x.npz", "object", "the array labels cannot be read: it holds Python objects"),
        ("x.npz", "empty", "not an .npz file"),
    ],
)
def test_array_files_that_are_damaged(
    tmp_path: Path, name: str, content: str, message: str
) -> None:
    path, stream = tmp_path / name, io.BytesIO()
    labels = np.array([1, "a", None] if content == "object" else [1, 2, 0])
    if content == "npy":
        np.save(stream, FRAMES)
    else:
        np.savez(stream, frames=FRAMES, labels=labels)
    whole = stream.getvalue()
    path.write_bytes({"cut": whole[:-60], "empty": b""}.get(content, whole))
    with pytest.raises(InputError, match=message):
        open_source(path, GREY, "abc")


def test_options_that_an_input_does_not_use_are_refused(tmp_path: Path) -> None:
    Image.new("L", (6, 4)).save(tmp_path / "a.png")
    with pytest.raises(InputError, match="not by a labels file"):
        open_source(tmp_path, GREY, ["cat"], labels_path=tmp_path / "y.npy")
    with pytest.raises(InputError, match="--frame-format is for raw frames"):
        open_source(tmp_path / "a.png", GREY, ["cat"], raw=RawOptions(pixels="int8"))
