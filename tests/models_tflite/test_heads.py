"""What is no classifier is refused, and what is one is taken, whatever its shape."""

from pathlib import Path

import numpy as np
import pytest
from tests.fakes.brought_models import Kind, template_model
from tests.fakes.tiny_models import ModelBuilder, frame_tensor, little_big_model, single_model

from edge_infer.models_tflite.classifier import FrameOptions, read_classifier
from edge_infer.models_tflite.errors import ModelError, ModelNotSupportedError
from edge_infer.models_tflite.graph import Graph
from edge_infer.models_tflite.heads import check_classifier, find_heads


def saved(tmp_path: Path, model: bytes) -> Path:
    path = tmp_path / "net.tflite"
    path.write_bytes(model)
    return path


def feature_map() -> bytes:
    builder = ModelBuilder()
    frame = frame_tensor(builder)
    return builder.build([frame], [builder.conv("map", frame, 4)])


def test_a_map_is_no_classifier_unless_it_is_named(tmp_path: Path) -> None:
    path = saved(tmp_path, feature_map())
    with pytest.raises(ModelNotSupportedError, match=r"map \[1, 8, 8, 4\] int8 is a map"):
        read_classifier(path, labels=["x"] * 256)
    assert read_classifier(path, head="map").classes == 256


def test_scores_without_softmax_want_labels_or_a_name(tmp_path: Path) -> None:
    path = saved(tmp_path, single_model())
    with pytest.raises(ModelNotSupportedError, match=r"embedding or a mask.*--head head"):
        read_classifier(path)
    assert (
        read_classifier(path, labels=[*"abcde"]).classes
        == read_classifier(path, head="head").classes
    )
    assert read_classifier(saved(tmp_path, template_model(Kind(softmax=True)))).classes == 5


def test_a_head_of_1x1x1xn_is_a_vector() -> None:
    builder = ModelBuilder()
    frame = builder.tensor("frame", [1, 1, 1, 4])
    check_classifier(Graph(builder.build([frame], [builder.conv("out", frame, 5)])), "net", True)


def test_one_of_several_outputs_may_be_named(tmp_path: Path) -> None:
    path = saved(tmp_path, little_big_model())
    with pytest.raises(ModelNotSupportedError, match=r"little_out \[1, 5\] int8, big_out"):
        read_classifier(path, labels=[*"abcde"])
    found = read_classifier(path, head="big_out")
    assert [found.graph.tensors[index].name for index in found.graph.outputs] == ["big"]
    assert [tensor.name for tensor in find_heads(Graph(little_big_model()))] == ["little", "big"]


def test_an_input_without_scale_is_named(tmp_path: Path) -> None:
    builder = ModelBuilder()
    frame = builder.tensor("frame", [1, 4], scale=0.0)
    output = builder.tensor("scores", [1, 4])
    builder.op("RESHAPE", [frame], [output])
    path = saved(tmp_path, builder.build([frame], [output]))
    with pytest.raises(
        ModelError, match=r"input frame \[1, 4\] is int8 and has no quantisation parameters"
    ):
        read_classifier(path)


def test_constants_for_pixels_of_0_to_1_are_told_from_those_of_0_to_255(tmp_path: Path) -> None:
    net = read_classifier(saved(tmp_path, template_model(Kind(dtype="float32"))), labels=[*"abcde"])
    with pytest.raises(ModelNotSupportedError, match=r"--mean 123\.67 --std 58\.395"):
        net.preprocess(FrameOptions(mean=(0.485,), std=(0.229,)))
    found = net.preprocess(FrameOptions(mean=(123.7,), std=(58.4,)))
    np.testing.assert_allclose(found.std, 58.4)
