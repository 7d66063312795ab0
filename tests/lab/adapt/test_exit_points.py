import pytest
from tests.fakes.backbones import backbone, residual
from tests.fakes.small_nets import ds_cnn, mobilenet
from tests.fakes.tiny_models import ModelBuilder, frame_tensor

from edge_infer.lab.adapt.errors import AdaptError
from edge_infer.lab.adapt.exit_points import find_exit_points, named_points
from edge_infer.models_tflite.graph import Graph


def names(model: bytes) -> list[str]:
    return [point.tensor.name for point in find_exit_points(Graph(model)).early]


def test_a_plain_stack_has_one_after_each_convolution() -> None:
    points = find_exit_points(Graph(backbone()))
    assert [p.tensor.name for p in points.early] == ["map0", "map1", "map2"]
    assert points.last.tensor.name == "map3" and not points.blocked
    # 3x3 convolutions: 16x16 of 3 to 3 channels, 8x8 of 3 to 6.
    assert [p.macs for p in points.early[:2]] == [256 * 27 * 3, 256 * 27 * 3 + 64 * 27 * 6]
    assert [p.handed_bytes for p in points.early] == [256 * 3, 64 * 6, 16 * 24]


def test_inside_a_residual_block_there_is_none() -> None:
    points = find_exit_points(Graph(residual()))
    assert [p.tensor.name for p in points.early] == ["first", "block"]
    assert points.blocked == (
        "CONV_2D: 2 inside a block, where more than one tensor is needed later",
    )


def test_inverted_residuals_are_cut_where_they_are_narrow() -> None:
    found = names(mobilenet(0))
    assert found == ["first", "sum0", "narrow1", "sum2", "narrow3"]


def test_depthwise_maps_are_the_middle_of_a_block() -> None:
    assert names(ds_cnn(0)) == ["first", "p0", "p1", "p2"]


def test_a_net_without_a_classifier_ends_in_its_features() -> None:
    b = ModelBuilder()
    frame = frame_tensor(b)
    graph = Graph(b.build([frame], [b.conv("features", b.conv("map", frame, 4), 6)]))
    points = find_exit_points(graph)
    assert points.last.tensor.name == "features"


def test_a_net_without_anything_to_read_says_so() -> None:
    b = ModelBuilder()
    frame = b.tensor("frame", [1, 8])
    model = b.build([frame], [b.dense("scores", frame, 3)])
    with pytest.raises(AdaptError, match="no tensor that a head could read: it computes nothing"):
        find_exit_points(Graph(model))


def test_points_are_named_by_tensor_number_or_first_of_fused_names() -> None:
    graph = Graph(mobilenet(0))
    points = find_exit_points(graph)
    for given in (("sum0", "narrow3"), ("2", "5"), ("5", "sum0")):
        found = named_points(graph, points, given)
        assert [p.tensor.name for p in found] == ["sum0", "narrow3"]
    b = ModelBuilder()
    frame = frame_tensor(b)
    fused = b.conv("a/Relu;a/BiasAdd;a/Conv2D", frame, 4)
    graph = Graph(b.build([frame], [b.head("head", b.conv("end", fused, 4))]))
    [point] = named_points(graph, find_exit_points(graph), ["a/Relu"])
    assert point.name == "a/Relu" and point.tensor.name.endswith("Conv2D")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["nowhere"], "--at nowhere: the net computes no such tensor; --list shows"),
        (["3"], "computes no such tensor"),
        (["0"], "computes no such tensor"),
        (["end"], "that is where the last exit is anyway"),
        (["first", "1"], "names a tensor twice"),
        (["head/w"], "computes no such tensor"),
        (["head"], "--at head, of FULLY_CONNECTED"),
    ],
)
def test_what_cannot_be_a_point_is_refused_by_name(given: list[str], told: str) -> None:
    graph = Graph(residual())
    with pytest.raises(AdaptError, match=told):
        named_points(graph, find_exit_points(graph), given)


def test_inside_a_block_one_may_cut_where_it_is_asked_for() -> None:
    graph = Graph(residual())
    [point] = named_points(graph, find_exit_points(graph), ["inside_1"])
    assert point.op == "CONV_2D"
