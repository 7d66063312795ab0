"""Channels are followed through every operator that has a rule; the others need theirs."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.fakes.backends import INTERPRETERS, open_or_skip
from tests.fakes.prunable_nets import ARCHITECTURES, ChannelNet, depthwise, flattened, residual
from tests.fakes.pruned import outputs, zeroed
from tests.fakes.tiny_models import ModelBuilder
from tests.profile import examples

from edge_infer.models_tflite import open_backend
from edge_infer.models_tflite.graph import Graph
from edge_infer.models_tflite.prunable import (
    Axis,
    PrunableModel,
    RatioParameters,
    RatioParametersError,
    Segment,
    follow_channels,
    own_constants,
    sort_channels,
    write_prunable,
)


def sizes(model: bytes) -> dict[str, int]:
    return {group.key: group.size for group in follow_channels(model).open}


def test_a_residual_sum_shares_its_channels() -> None:
    channels = follow_channels(residual("int8"))
    assert {group.key: group.size for group in channels.open} == {"w_1": 12, "w_3": 8, "w_8": 16}
    first = [
        axis for (name, dim), axis in channels.axes.items() if name in ("w_1", "w_5") and not dim
    ]
    assert first[0] == first[1]


def test_the_input_and_the_scores_stay_whole() -> None:
    channels = follow_channels(residual("float32"))
    reasons = {group.key: group.frozen for group in channels.groups if group.frozen}
    assert reasons == {"frame": "the model's input", "w_14": "the model's output"}


def test_a_depthwise_layer_repeats_the_channels_it_reads() -> None:
    channels = follow_channels(depthwise("int8"))
    repeats = {axis for axis in channels.axes.values() if axis.segments[0].repeat == 2}
    assert len(repeats) == 1
    (axis,) = repeats
    assert channels.groups[axis.segments[0].group].key == "w_1"


def test_a_flattened_concatenation_is_cut_pixel_by_pixel() -> None:
    channels = follow_channels(flattened("int8"))
    (axis,) = channels.shape_constants.values()
    assert axis in channels.reshapes.values() and axis.tile == 9
    assert [channels.groups[s.group].key for s in axis.segments] == ["w_2", "w_6"]
    counts = channels.counts({"w_2": 2, "w_6": 1})
    assert axis.size(counts) == 27
    assert axis.kept(channels.sizes, counts)[:6].tolist() == [0, 1, 8, 14, 15, 22]


def through_softmax(net: ChannelNet, source: int) -> int:
    whole = net.map(net.shape(source))
    return net.op("SOFTMAX", [source], [whole], "SoftmaxOptions", beta=1.0)


def through_a_border_of_channels(net: ChannelNet, source: int) -> int:
    around = np.array([[0, 0]] * 3 + [[1, 1]], "i4")
    padded = net.map([1, 8, 8, net.shape(source)[-1] + 2])
    pads = net.tensor("around", [4, 2], "int32", 0.0, data=around)
    return net.op("PAD", [source, pads], [padded], "PadOptions")


def through_groups(net: ChannelNet, source: int) -> int:
    kernel = net.constants(source, [8, 1, 1, 4], 0, 4)
    grouped = net.map(net.shape(source))
    return net.op("CONV_2D", [source, *kernel], [grouped], "Conv2DOptions", strideH=1, strideW=1)


def through_split(net: ChannelNet, source: int) -> int:
    axis = net.tensor("axis", [], "int32", 0.0, data=np.array(3, "i4"))
    halves = [net.map([1, 8, 8, 4]) for _ in range(2)]
    net.op("SPLIT", [axis, source], halves, "SplitOptions", numSplits=2)
    return net.concat(halves[1], halves[0])


def through_transposed_convolution(net: ChannelNet, source: int) -> int:
    kernel, _ = net.constants(source, [8, 3, 3, 8], 0, 72)
    size = net.tensor("size", [4], "int32", 0.0, data=np.array([1, 16, 16, 8], "i4"))
    larger = net.map([1, 16, 16, 8])
    return net.op("TRANSPOSE_CONV", [size, kernel, source], [larger], "TransposeConvOptions",
                  strideH=2, strideW=2, padding=schema.Padding.SAME)  # fmt: skip


def through_mean_of_channels(net: ChannelNet, source: int) -> int:
    axes = net.tensor("axes", [1], "int32", 0.0, data=np.array([3], "i4"))
    one = net.map([1, 8, 8, 1])
    return net.op("MEAN", [source, axes], [one], "ReducerOptions", keepDims=True)


def through_strides(net: ChannelNet, source: int) -> int:
    values = [np.array(v, "i4") for v in ([0, 0, 0, 0], [1, 8, 8, 8], [1, 1, 1, 2])]
    bounds = [net.tensor(f"s{i}", [4], "int32", 0.0, data=v) for i, v in enumerate(values)]
    part = net.map([1, 8, 8, 4])
    return net.op("STRIDED_SLICE", [source, *bounds], [part], "StridedSliceOptions")


Through = Callable[[ChannelNet, int], int]
KEEPING: list[tuple[Through, set[str]]] = [
    (through_softmax, {"SOFTMAX needs them"}),
    (through_a_border_of_channels, {"PAD along the channels needs them"}),
    (through_groups, {"CONV_2D in groups needs them"}),
    (through_split, {"SPLIT needs them"}),
    (through_transposed_convolution, {"TRANSPOSE_CONV needs them"}),
    (through_mean_of_channels, {"MEAN over the channels needs them"}),
    (through_strides, {"STRIDED_SLICE needs them"}),
]


def kept_whole(through: Through) -> bytes:
    """A layer to cut, one that is followed by an operator that needs it whole, one to cut."""
    net = ChannelNet("float32")
    frame = net.frame()
    whole = through(net, net.layer(net.layer(frame, 6), 8))
    return net.build([frame], [net.scores(net.mean(net.layer(whole, 6)))])


@pytest.mark.parametrize(("through", "reasons"), KEEPING)
def test_an_operator_without_a_rule_keeps_its_channels_and_says_so(
    through: Through, reasons: set[str]
) -> None:
    channels = follow_channels(kept_whole(through))
    assert {group.frozen for group in channels.frozen} == reasons
    assert "w_3" in [group.key for group in channels.frozen], "the layer before the operator"
    assert [group.size for group in channels.open] == [6, 6], "what lies around it can be cut"


@pytest.mark.parametrize("backend", INTERPRETERS)
@pytest.mark.parametrize("through", [through for through, _ in KEEPING])
def test_around_such_an_operator_a_cut_net_is_the_full_one_with_zeros(
    through: Through, backend: str
) -> None:
    model, kernels = kept_whole(through), open_or_skip(backend)
    keep = {group.key: 3 for group in follow_channels(model).open}
    cut = PrunableModel.open(write_prunable(model, [RatioParameters("0.5", keep)]))
    frames = np.random.default_rng(1).normal(0, 1, (5, 1, 8, 8, 3)).astype(np.float32)
    wanted = outputs(kernels, zeroed(model, keep), frames)
    found = outputs(kernels, cut.materialise("0.5"), frames)
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)
    assert len(np.unique(wanted, axis=0)) > 1


def test_a_map_and_its_mirror_cannot_be_cut_to_prefixes_of_one_group() -> None:
    net = ChannelNet("float32")
    frame = net.frame()
    left, right = net.layer(frame, 4), net.layer(frame, 4)
    total = net.sum(net.concat(left, right), net.concat(right, left))
    model = net.build([frame], [net.scores(net.mean(total))])
    channels = follow_channels(model)
    assert [(group.key, group.size) for group in channels.open] == [("w_1", 4)]
    assert Axis((Segment(1),), tile=2) in channels.axes.values()


def test_part_of_a_layer_has_its_place_in_the_key() -> None:
    net = ChannelNet("float32")
    frame = net.frame()
    total = net.sum(net.layer(frame, 12), net.concat(net.layer(frame, 8), net.layer(frame, 4)))
    model = net.build([frame], [net.scores(net.mean(total))])
    assert sizes(model) == {"w_1[0:8]": 8, "w_1[8:12]": 4}


def test_a_shared_constant_gets_copies() -> None:
    net = ModelBuilder()
    frame = net.tensor("frame", [1, 4], scale=0.1)
    kernel = net.weights("w", [4, 4])
    hidden, scores = net.tensor("hidden", [1, 4]), net.tensor("scores", [1, 4])
    for source, to in ((frame, hidden), (hidden, scores)):
        net.op("FULLY_CONNECTED", [source, kernel, -1], [to], "FullyConnectedOptions", version=4)
    model = net.build([frame], [scores])
    own = own_constants(model)
    graph = Graph(own)
    names = [graph.operand(node, 1).name for node in graph.nodes]
    assert names == ["w", "w#2"]
    raw = graph.tree.subgraphs[0].tensors
    assert raw[graph.operand(graph.nodes[0], 1).index].buffer != raw[-1].buffer
    assert own_constants(own) is own
    assert sizes(model) == {"w": 4}
    random = np.random.default_rng(0)
    frames = random.integers(-128, 128, (5, 1, 4)).astype(np.int8)
    kernels = open_backend(resolver="reference")
    assert np.array_equal(outputs(kernels, model, frames), outputs(kernels, own, frames))


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_sorted_channels_answer_alike(name: str) -> None:
    model, random = ARCHITECTURES[name]("int8"), np.random.default_rng(3)
    order = {g.key: random.permutation(g.size) for g in follow_channels(model).open}
    moved = sort_channels(model, order)
    frames = random.integers(-128, 128, (20, 1, 8, 8, 3)).astype(np.int8)
    kernels = open_backend(resolver="builtin")
    before = outputs(kernels, model, frames)
    assert moved != own_constants(model)
    assert np.array_equal(outputs(kernels, moved, frames), before)
    assert len(np.unique(before, axis=0)) > 1


@pytest.mark.parametrize(
    ("order", "message"),
    [
        ({"w_99": np.arange(3)}, "no group 'w_99'"),
        ({"w_14": np.arange(6)}, "no group 'w_14' whose channels could be sorted"),
        ({"w_1": np.zeros(12, int)}, "the order of w_1 is no permutation"),
    ],
)
def test_a_wrong_order_is_named(order: dict[str, NDArray[Any]], message: str) -> None:
    with pytest.raises(RatioParametersError, match=message):
        sort_channels(residual("float32"), order)


@given(data=st.data())
@settings(max_examples=examples(100))
def test_kept_positions_are_those_of_kept_channels(data: st.DataObject) -> None:
    full = data.draw(st.lists(st.integers(1, 6), min_size=1, max_size=4))
    counts = [data.draw(st.integers(1, size)) for size in full]
    segments = tuple(
        Segment(data.draw(st.integers(0, len(full) - 1)), data.draw(st.integers(1, 3)))
        for _ in range(data.draw(st.integers(1, 4)))
    )
    axis = Axis(segments, data.draw(st.integers(1, 3)))
    spelled = [(group, c) for group, repeat in segments for c in range(full[group])
               for _ in range(repeat)] * axis.tile  # fmt: skip
    wanted = [i for i, (group, channel) in enumerate(spelled) if channel < counts[group]]
    assert axis.kept(full, counts).tolist() == wanted
    assert axis.size(counts) == len(wanted) and axis.size(full) == len(spelled)
