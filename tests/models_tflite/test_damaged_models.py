"""Whatever a file holds, reading its graph ends in a value or in one of our errors."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fakes.tiny_models import EXITS, early_exit_model

from edge_infer.models_tflite.cut import cut
from edge_infer.models_tflite.describe import StageDraft, describe_stage
from edge_infer.models_tflite.errors import BundleError
from edge_infer.models_tflite.graph import Graph
from edge_infer.models_tflite.lint import lint_model

WHOLE = early_exit_model()


def describe(model: bytes) -> object:
    return describe_stage(StageDraft("net", model), Graph(model))


READERS: list[Callable[[bytes], object]] = [
    lambda model: lint_model(Graph(model), "net"),
    describe,
    lambda model: cut(model, EXITS),
]


@pytest.mark.parametrize("read", READERS, ids=["lint", "describe", "cut"])
@settings(max_examples=60)
@given(
    changes=st.lists(
        st.tuples(
            st.integers(8, len(WHOLE) - 1),
            st.sampled_from([0, 1, 2, 127, 255]) | st.integers(0, 255),
        ),
        max_size=8,
    ),
    length=st.just(len(WHOLE)) | st.integers(0, len(WHOLE)),
)
def test_a_damaged_file_never_escapes_as_another_error(
    read: Callable[[bytes], object], changes: list[tuple[int, int]], length: int
) -> None:
    model = bytearray(WHOLE)
    for position, value in changes:
        model[position] = value
    try:
        read(bytes(model[:length]))
    except BundleError as error:
        assert "\n" not in str(error)
