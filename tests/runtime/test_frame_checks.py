"""The one check of frames and labels, whatever door they come through."""

from typing import Any

import numpy as np
import pytest

from edge_infer.models_tflite.errors import FrameError
from edge_infer.models_tflite.frame_labels import check_labels
from edge_infer.models_tflite.frame_spec import FrameSpec, check_frames
from edge_infer.models_tflite.quantization import FrameInput
from edge_infer.models_tflite.stage_spec import Preprocess, StageInput, TensorSpec

PIXELS = FrameSpec((4, 6, 1), np.dtype(np.uint8), classes=10)
FLOATS = FrameSpec((4, 6, 1), np.dtype(np.float32), classes=10, span=(0.0, 255.0))


def frames(value: float, dtype: str) -> np.ndarray[Any, Any]:
    return np.full((3, 4, 6, 1), value, dtype)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.eye(10)[:3], r"shape \[3, 10\].*one-hot.*argmax"),
        (np.ones((3, 4)), "may be scores"),
        (np.array([1, 5, 10]), "from 1 to 10.*0 to 9.*subtract 1"),
        (np.array([-1, 0, 2]), "from -1 to 2"),
        (np.array([0.5, 1, 2]), r"label 0 is 0\.5"),
        (np.array([0, np.nan, 2]), "label 1 is nan"),
        (np.array(["a", "b", "c"]), "class indices"),
        (np.array([1, 2]), "3 frames but 2 labels"),
        (np.array(1), r"labels of shape \[\]"),
    ],
)
def test_labels_that_are_no_class_indices(labels: np.ndarray[Any, Any], message: str) -> None:
    with pytest.raises(FrameError, match=message):
        check_labels(labels, 3, 10, "x")


@pytest.mark.parametrize("labels", [[1, 2, 3], [[1], [2], [3]], [1.0, 2.0, 3.0]])
def test_labels_that_are(labels: list[Any]) -> None:
    assert check_labels(np.array(labels), 3, 10, "x").tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.array(3), "a single value"),
        (np.zeros((4, 6, 1), np.uint8), "one frame without a batch"),
        (np.zeros((4, 6), np.uint8), "one frame without a batch"),
        (np.zeros((0, 4, 6, 1), np.uint8), "holds no frame"),
        (np.zeros((2, 4, 6, 3), np.uint8), r"\[4, 6, 3\]"),
        (np.zeros((2, 1, 4, 6), np.uint8), r"channels come first; give frames\.transpose\(0, 2"),
        (frames(0.5, "float32"), "0 to 255: multiply by 255"),
        (frames(1, "float32"), "0 to 255: multiply by 255"),
        (frames(300, "int64"), "scale and round"),
        (frames(-3, "int16"), "model's own integers, give them as int8; else scale and round"),
        (frames(-300, "int16"), "0 to 255: scale and round"),
        (frames(True, "bool"), "0 to 255"),
        (frames(7, "int8"), "cannot be told"),
        (frames(1, "complex64"), "made of numbers"),
        (frames(np.inf, "float32"), "frame 0 holds infinity"),
    ],
)
def test_frames_that_are_none(given: np.ndarray[Any, Any], message: str) -> None:
    with pytest.raises(FrameError, match=message) as refused:
        check_frames(given, PIXELS, "x")
    assert "astype" not in str(refused.value)


def test_the_frame_that_holds_nan_is_named() -> None:
    given = frames(3, "float32")
    given[2, 1, 4, 0] = np.nan
    with pytest.raises(FrameError, match=r"frame 2 holds NaN at \[1, 4, 0\]: 1 of 72"):
        check_frames(given, FLOATS, "x")


@pytest.mark.parametrize("dtype", ["int64", "uint16", "float32", "float64"])
def test_whole_numbers_in_range_are_the_same_picture(dtype: str) -> None:
    checked = check_frames(frames(200, dtype), PIXELS, "x")
    assert checked.frames[0].dtype == np.uint8 and checked.frames[0].max() == 200
    assert checked.done == f"{dtype} frames taken as uint8"


def test_ranges_that_are_odd_warn() -> None:
    assert "0 to 255" in str(check_frames(frames(1, "uint8"), PIXELS, "x").warning)
    assert "0 to 255" in str(check_frames(frames(0.5, "float32"), FLOATS, "x").warning)
    assert "saturate" in str(check_frames(frames(700, "float32"), FLOATS, "x").warning)
    assert check_frames(frames(200, "float32"), FLOATS, "x").warning is None


def stage(source: Any, scale: float, zero_point: int, dtype: Any = "int8", **more: Any) -> Any:
    tensor = TensorSpec((4, 6, 1), dtype, scale, zero_point)
    return StageInput("frame", (tensor,), Preprocess(source, **more))


def test_int8_is_shifted_where_the_model_sees_the_same_picture() -> None:
    first = stage("uint8", 1 / 255, -128, std=(255.0,))
    spec = FrameSpec.of_input(first, 10)
    given = np.arange(-128, 64, 8, dtype=np.int8).reshape(1, 4, 6, 1)
    checked = check_frames(given, spec, "x")
    assert np.array_equal(FrameInput(first)(checked.frames[0])[0], given[0])
    assert checked.done == "int8 frames shifted by 128 to 0..255"


def test_int8_is_refused_where_the_models_input_is_another() -> None:
    spec = FrameSpec.of_input(stage("uint8", 1 / 255, -128, std=(16.0,)), 10)
    with pytest.raises(FrameError, match="--source int8"):
        check_frames(frames(3, "int8"), spec, "x")


@pytest.mark.parametrize("zero_point", [-128, 0, 83])
def test_a_source_of_int8_is_the_models_own_input(zero_point: int) -> None:
    scale = 0.58470
    first = stage("int8", scale, zero_point, mean=(float(zero_point),), std=(1 / scale,))
    given = np.arange(-128, 128, dtype=np.int8)[:240].reshape(10, 4, 6, 1)
    convert = FrameInput(first)
    assert all(np.array_equal(convert(frame)[0], frame) for frame in given)
    assert np.array_equal(check_frames(given, FrameSpec.of_input(first, 10), "x").frames, given)
    with pytest.raises(FrameError, match="quantise"):
        check_frames(frames(3, "uint8"), FrameSpec.of_input(first, 10), "x")


def test_pixels_that_become_no_image_models_input() -> None:
    def identity(scale: float, zero_point: int) -> FrameSpec:
        mean = (float(zero_point + 128),)
        return FrameSpec.of_input(stage("uint8", scale, zero_point, mean=mean, std=(1 / scale,)), 9)

    assert identity(1 / 255, -128).like_pixels and identity(1.0, -128).like_pixels
    assert identity(2 / 255, -1).like_pixels
    assert not identity(0.5847, 83).like_pixels and not identity(0.1017, -128).like_pixels
