"""A frame becomes the tensor that the model's own QUANTIZE kernel would have made of it."""

from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fakes.tiny_models import ModelBuilder, single_model
from tests.profile import examples

from edge_infer.models_tflite.backend import open_backend
from edge_infer.models_tflite.describe import identity_preprocess
from edge_infer.models_tflite.errors import FrameError
from edge_infer.models_tflite.graph import Graph
from edge_infer.models_tflite.quantization import (
    FrameInput,
    quantize,
    resize_bilinear,
    resize_nearest,
)
from edge_infer.models_tflite.stage_spec import Dtype, Preprocess, StageInput, TensorSpec

SHAPE = (4, 6, 3)


def frame_input(
    dtype: str = "int8",
    scale: float = 0.02,
    zero_point: int = -5,
    shape: tuple[int, ...] = SHAPE,
    **preprocess: Any,
) -> FrameInput:
    tensor = TensorSpec(shape, cast(Dtype, dtype), scale, zero_point)
    return FrameInput(StageInput("frame", (tensor,), Preprocess(**preprocess)))


def random_frame(shape: tuple[int, ...] = SHAPE, seed: int = 0) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


@given(
    scale=st.floats(2**-12, 8, width=32),
    dtype=st.sampled_from(["int8", "uint8"]),
    values=st.lists(st.floats(-3000, 3000, width=32), min_size=1, max_size=64),
    data=st.data(),
)
def test_quantize_is_the_quantize_kernel(
    scale: float, dtype: str, values: list[float], data: st.DataObject
) -> None:
    limits = np.iinfo(dtype)
    zero_point = data.draw(st.integers(int(limits.min), int(limits.max)), "zero point")
    halves = [(number + 0.5) * scale for number in range(-4, 4)]
    real = np.array(values + halves, np.float32)
    builder = ModelBuilder()
    source = builder.tensor("real", [1, len(real)], "float32")
    target = builder.tensor("raw", [1, len(real)], dtype, float(np.float32(scale)), zero_point)
    builder.op("QUANTIZE", [source], [target], "QuantizeOptions")
    interpreter = open_backend("litert", "reference").load_vouched(
        builder.build([source], [target])
    )
    interpreter.set_tensor(source, real[None])
    interpreter.invoke()
    np.testing.assert_array_equal(
        quantize(real, scale, zero_point, dtype), interpreter.get_tensor(target)[0]
    )


@given(
    mean=st.floats(0, 255), std=st.floats(0.01, 500), scale=st.floats(0.001, 2), seed=st.integers(0)
)
def test_the_table_is_the_arithmetic(mean: float, std: float, scale: float, seed: int) -> None:
    frame = random_frame(seed=seed)
    table = frame_input(scale=scale, mean=(mean,), std=(std,))
    arithmetic = frame_input(scale=scale, mean=(mean,), std=(std,), source="float32")
    np.testing.assert_array_equal(table(frame), arithmetic(frame.astype(np.float32)))


def test_each_channel_has_its_own_mean_and_std() -> None:
    prepare = frame_input(mean=(10.0, 20.0, 30.0), std=(100.0, 50.0, 25.0))
    frame = random_frame()
    result = prepare(frame)
    assert result.shape == (1, *SHAPE) and result.dtype == np.int8
    for channel, (mean, std) in enumerate(((10, 100), (20, 50), (30, 25))):
        real = ((frame[..., channel].astype(np.float64) - mean) / std).astype(np.float32)
        np.testing.assert_array_equal(
            result[0, ..., channel], quantize(real, 0.02, -5, "int8")
        )  # fmt: skip


def test_nchw_is_transposed_and_contiguous() -> None:
    frame = random_frame()
    channels_last = frame_input(mean=(128.0,), std=(50.0,))(frame)
    channels_first = frame_input(
        mean=(128.0,), std=(50.0,), shape=(3, 4, 6), layout="NCHW"
    )(frame)  # fmt: skip
    np.testing.assert_array_equal(channels_first[0], channels_last[0].transpose(2, 0, 1))
    assert channels_first.flags.c_contiguous


def test_a_float_model_gets_real_values() -> None:
    prepare = frame_input("float32", 0.0, 0, mean=(127.5,), std=(127.5,))
    result = prepare(random_frame())
    assert result.dtype == np.float32
    np.testing.assert_allclose(result[0], (random_frame() - 127.5) / 127.5, rtol=1e-6)


@pytest.mark.parametrize(("dtype", "zero_point"), [("int8", -128), ("int8", 3), ("uint8", 128)])
def test_by_default_pixels_enter_as_they_are(dtype: str, zero_point: int) -> None:
    builder = ModelBuilder()
    frame = builder.tensor("frame", [1, 16, 16, 1], dtype, 0.0078125, zero_point)
    graph = Graph(builder.build([frame], [frame]))
    preprocess = identity_preprocess(graph)
    tensor = TensorSpec((16, 16, 1), cast(Dtype, dtype), 0.0078125, zero_point)
    pixels = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    result = FrameInput(StageInput("frame", (tensor,), preprocess))(pixels)
    shift = 128 if dtype == "int8" else 0
    np.testing.assert_array_equal(result[0], pixels.astype(int) - shift)


def test_a_frame_that_is_quantised_already_passes_untouched() -> None:
    frame = np.random.default_rng(0).integers(-128, 128, SHAPE, np.int8)
    np.testing.assert_array_equal(frame_input()(frame)[0], frame)


@pytest.mark.parametrize(
    "frame",
    [
        np.zeros((4, 6), np.uint8),
        np.zeros((6, 4, 3), np.uint8),
        np.zeros((1, 4, 6, 3), np.uint8),
        np.zeros(SHAPE, np.float32),
        np.zeros(SHAPE, np.int16),
        np.zeros((6, 4, 3), np.int8),
    ],
    ids=lambda frame: f"{frame.shape}-{frame.dtype}",
)
def test_another_shape_or_dtype_is_refused_with_both(frame: np.ndarray[Any, Any]) -> None:
    with pytest.raises(FrameError) as caught:
        frame_input()(frame)
    assert str(list(frame.shape)) in str(caught.value)
    assert f"{frame.dtype}, the bundle wants [4, 6, 3] uint8" in str(caught.value)


@pytest.mark.parametrize("shape", [(0, 5, 3), (5, 5, 1), (5, 5)])
def test_a_resize_does_not_invent_pixels_or_channels(shape: tuple[int, ...]) -> None:
    with pytest.raises(FrameError, match=r"\[4, 6, 3\] or any height and width uint8"):
        frame_input(resize="bilinear")(np.zeros(shape, np.uint8))


def test_a_resize_comes_before_the_table() -> None:
    prepare = frame_input(resize="nearest", mean=(128.0,), std=(50.0,))
    small = random_frame((2, 3, 3))
    doubled = small.repeat(2, axis=0).repeat(2, axis=1)
    np.testing.assert_array_equal(prepare(small), prepare(doubled))


def test_a_stage_that_reads_features_takes_no_frame() -> None:
    tensor = TensorSpec(SHAPE, "int8", 0.1, 0)
    with pytest.raises(ValueError, match="not a frame"):
        FrameInput(StageInput("previous", (tensor,)))


def test_the_models_here_agree_with_their_scale() -> None:
    # The small models' input has the scale 1/255 and zero point -128: raw = pixel - 128.
    preprocess = identity_preprocess(Graph(single_model()))
    assert preprocess.mean == (0.0,)
    assert preprocess.std[0] == pytest.approx(255)


SIZES = st.integers(1, 23)


def by_kernel(op: str, frame: np.ndarray[Any, Any], height: int, width: int) -> Any:
    builder = ModelBuilder()
    source = builder.tensor("in", [1, *frame.shape], "float32")
    size = builder.tensor("size", [2], "int32", 0.0, data=np.array([height, width], np.int32))
    target = builder.tensor("out", [1, height, width, frame.shape[2]], "float32")
    options = {"RESIZE_BILINEAR": "ResizeBilinearOptions"}.get(op, "ResizeNearestNeighborOptions")
    builder.op(
        op, [source, size], [target], options, version=3, halfPixelCenters=True, alignCorners=False
    )
    interpreter = open_backend("litert", "reference").load_vouched(
        builder.build([source], [target])
    )
    interpreter.set_tensor(source, frame[None])
    interpreter.invoke()
    return interpreter.get_tensor(target)[0]


@settings(max_examples=examples(80))
@given(rows=SIZES, columns=SIZES, height=SIZES, width=SIZES, seed=st.integers(0, 99))
def test_bilinear_is_the_kernel(
    rows: int, columns: int, height: int, width: int, seed: int
) -> None:
    frame = np.random.default_rng(seed).random((rows, columns, 2), np.float32)
    np.testing.assert_allclose(
        resize_bilinear(frame, height, width),
        by_kernel("RESIZE_BILINEAR", frame, height, width),
        atol=2e-6,
    )


@settings(max_examples=examples(80))
@given(rows=SIZES, columns=SIZES, height=SIZES, width=SIZES)
def test_nearest_is_the_kernel(rows: int, columns: int, height: int, width: int) -> None:
    frame = np.arange(rows * columns, dtype=np.float32).reshape(rows, columns, 1)
    np.testing.assert_array_equal(
        resize_nearest(frame, height, width),
        by_kernel("RESIZE_NEAREST_NEIGHBOR", frame, height, width),
    )


def test_pixels_stay_pixels_and_round_half_up() -> None:
    frame = np.array([[[0], [255]]], np.uint8)
    # Centres at -0.25, 0.25, 0.75, 1.25 of the two pixels: 0, 63.75, 191.25, 255.
    resized = resize_bilinear(frame, 1, 4)
    assert resized.dtype == np.uint8
    assert resized.ravel().tolist() == [0, 64, 191, 255]


@pytest.mark.parametrize("resize", [resize_bilinear, resize_nearest])
def test_the_same_size_changes_nothing(resize: Any) -> None:
    frame = np.random.default_rng(0).integers(0, 256, (7, 5, 3), np.uint8)
    np.testing.assert_array_equal(resize(frame, 7, 5), frame)
