"""Each finding on a model that has it, and none on a model that does not."""

from pathlib import Path

import numpy as np
import pytest
from tests.fakes.tiny_models import (
    ModelBuilder,
    early_exit_model,
    frame_tensor,
    little_big_model,
    single_model,
    stateful_model,
)

from edge_infer.models_tflite.bundle import Bundle
from edge_infer.models_tflite.graph import Graph
from edge_infer.models_tflite.lint import Finding, find_head_kind, lint_bundle, lint_model


def lint(model: bytes) -> list[Finding]:
    return lint_model(Graph(model), "net")


def texts(model: bytes, severity: str) -> str:
    return "\n".join(str(finding) for finding in lint(model) if finding.severity == severity)


def test_a_plain_int8_classifier_has_no_finding() -> None:
    assert lint(single_model()) == []


def test_the_bundles_of_plain_stages_have_no_finding(early_exit: Bundle, single: Bundle) -> None:
    assert lint_bundle(early_exit) == []
    assert lint_bundle(single) == []


def test_several_outputs_want_a_cut() -> None:
    assert "2 outputs (little_out [1, 5] int8, big_out [1, 5] int8" in texts(
        little_big_model(), "error"
    )
    assert "--head OUTPUT" in texts(little_big_model(), "error")


def test_several_inputs_are_named() -> None:
    builder = ModelBuilder()
    pair = [builder.tensor(name, [1, 4]) for name in ("left", "right")]
    model = builder.build(pair, [builder.add("sum", *pair)])
    assert "2 inputs (left [1, 4] int8, right [1, 4] int8)" in texts(model, "error")


@pytest.mark.parametrize("name", ["edgetpu-custom-op", "MyOp"])
def test_custom_operators_are_errors(name: str) -> None:
    builder = ModelBuilder()
    frame, output = builder.tensor("frame", [1, 4]), builder.tensor("scores", [1, 4])
    builder.op("CUSTOM", [frame], [output], custom=name)
    found = texts(builder.build([frame], [output]), "error")
    assert f"{name}: custom operator" in found
    assert ("before the compiler" in found) == (name == "edgetpu-custom-op")


def test_dynamic_shapes_are_errors_but_an_open_batch_is_not() -> None:
    def model(signature: list[int]) -> bytes:
        builder = ModelBuilder()
        frame = builder.tensor("frame", [1, 8, 8, 1], signature=signature)
        return builder.build([frame], [builder.head("head", builder.conv("map", frame, 2))])

    assert texts(model([-1, 8, 8, 1]), "error") == ""
    assert "frame: dynamic shape [-1, -1, -1, 1]" in texts(model([-1, -1, -1, 1]), "error")


def test_a_batch_of_two_is_an_error() -> None:
    builder = ModelBuilder()
    frame = builder.tensor("frame", [2, 4])
    assert "wants a batch of 1" in texts(builder.build([frame], [frame]), "error")


def test_int16_input_is_an_error() -> None:
    builder = ModelBuilder()
    frame = builder.tensor("frame", [1, 4], "int16")
    assert "is int16: wants int8, uint8, float32" in texts(builder.build([frame], [frame]), "error")


def test_resource_variables_are_errors_and_variable_tensors_are_not() -> None:
    builder = ModelBuilder()
    frame = builder.tensor("frame", [1, 4])
    handle = builder.tensor("handle", [1], "int32", 0.0)
    builder.op("VAR_HANDLE", [], [handle], "VarHandleOptions")
    assert "keep their state" in texts(builder.build([frame], [frame]), "error")
    assert texts(stateful_model(), "error") == ""


def mixed_model(weights: str) -> bytes:
    """An int8 head, then a dense layer on float32 activations."""
    builder = ModelBuilder()
    frame = frame_tensor(builder)
    scores = builder.head("head", builder.conv("map", frame, 2), 4)
    real = builder.tensor("real", [1, 4], "float32")
    builder.op("DEQUANTIZE", [scores], [real], "DequantizeOptions", version=2)
    data = np.ones((3, 4), weights)
    kernel = builder.tensor("w", [3, 4], weights, data=data)
    output = builder.tensor("out", [1, 3], "float32")
    builder.op("FULLY_CONNECTED", [real, kernel, -1], [output], "FullyConnectedOptions")
    return builder.build([frame], [output])


def test_a_float_island_is_found() -> None:
    assert "FULLY_CONNECTED 5: float32 island" in texts(mixed_model("float32"), "warning")


def test_a_hybrid_operator_is_found() -> None:
    assert "FULLY_CONNECTED 5: hybrid" in texts(mixed_model("int8"), "warning")


def test_dequantising_at_the_end_is_no_island() -> None:
    builder = ModelBuilder()
    frame = frame_tensor(builder)
    scores = builder.head("head", builder.conv("map", frame, 2), 4)
    real = builder.tensor("real", [1, 4], "float32")
    builder.op("DEQUANTIZE", [scores], [real], "DequantizeOptions", version=2)
    assert texts(builder.build([frame], [real]), "warning") == ""


def test_per_channel_dense_weights_are_found() -> None:
    builder = ModelBuilder()
    frame = builder.tensor("frame", [1, 6])
    weights = builder.tensor("w", [3, 6], scale=[0.1, 0.2, 0.3], data=np.ones((3, 6), np.int8))
    scores = builder.tensor("scores", [1, 3])
    builder.op("FULLY_CONNECTED", [frame, weights, -1], [scores], "FullyConnectedOptions")
    found = texts(builder.build([frame], [scores]), "warning")
    assert "one scale per channel" in found


def softmax_model(dtype: str, reshape: bool = False) -> bytes:
    builder = ModelBuilder()
    frame = builder.tensor("frame", [1, 4], dtype)
    output = builder.tensor("scores", [1, 4], dtype, 1 / 256, -128 if dtype == "int8" else 0)
    builder.op("SOFTMAX", [frame], [output], "SoftmaxOptions", beta=1.0)
    if reshape:
        shape = builder.tensor("s", [2], "int32", 0.0, data=np.array([1, 4], np.int32))
        again = builder.tensor("again", [1, 4], dtype, 1 / 256, -128 if dtype == "int8" else 0)
        builder.op("RESHAPE", [output, shape], [again], "ReshapeOptions")
        output = again
    return builder.build([frame], [output])


@pytest.mark.parametrize("reshape", [False, True])
def test_an_integer_softmax_saturates(reshape: bool) -> None:
    model = softmax_model("int8", reshape)
    assert find_head_kind(Graph(model), 0) == "softmax"
    assert "a softmax in int8 saturates" in texts(model, "warning")


def test_a_float_softmax_does_not() -> None:
    assert texts(softmax_model("float32"), "warning") == ""
    assert find_head_kind(Graph(softmax_model("float32")), 0) == "softmax"


def test_each_head_of_several_is_told_apart() -> None:
    graph = Graph(early_exit_model())
    assert [find_head_kind(graph, output) for output in range(3)] == ["logits"] * 3


def test_targets_that_do_not_run_an_operator_are_notes() -> None:
    builder = ModelBuilder()
    frame, output = builder.tensor("frame", [1, 4]), builder.tensor("scores", [1, 4])
    builder.op("ATAN2", [frame, frame], [output])
    found = texts(builder.build([frame], [output]), "note")
    assert "ATAN2: not run by TFLite Micro" in found
    assert "ATAN2: not run by the Edge TPU compiler: coral.ai" in found
    assert "float32 arithmetic" not in found


def test_what_the_published_models_have(foreign_models: Path) -> None:
    resnet = (foreign_models / "mlperf_tiny" / "pretrainedResnet_quant.tflite").read_bytes()
    assert [f.severity for f in lint(resnet)] == ["warning"]  # its int8 softmax
    float_net = (foreign_models / "mlperf_tiny" / "pretrainedResnet.tflite").read_bytes()
    assert [f.what for f in lint(float_net)] == ["float32 arithmetic"]
