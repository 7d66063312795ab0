"""Resizing is what the TFLite kernels do with half-pixel centres."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fakes.tiny_models import ModelBuilder

from edge_infer.models_tflite.backend import open_backend
from edge_infer.models_tflite.resize import resize_bilinear, resize_nearest

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
    interpreter = open_backend("litert", "reference").load(builder.build([source], [target]))
    interpreter.set_tensor(source, frame[None])
    interpreter.invoke()
    return interpreter.get_tensor(target)[0]


@settings(max_examples=80)
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


@settings(max_examples=80)
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
