from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.runtime.test_idx import idx_bytes

from edge_infer.models_tflite.errors import FrameError
from edge_infer.models_tflite.frame_spec import FrameSpec
from edge_infer.runtime.errors import SourceError, SourceMissingError
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
    with pytest.raises(FrameError, match="float32, values from 0.0 to 0.0; the bundle"):
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
