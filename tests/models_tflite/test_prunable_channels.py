"""Channels are followed through every operator that has a rule; the others need theirs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models_tflite import open_backend
from models_tflite.graph import Graph
from models_tflite.prunable import (
    Axis,
    RatioParametersError,
    Segment,
    follow_channels,
    own_constants,
    sort_channels,
)
from tests.fakes.prunable_nets import ARCHITECTURES, ChannelNet, depthwise, flattened, residual
from tests.fakes.pruned import outputs
from tests.fakes.tiny_models import ModelBuilder


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


def test_an_operator_without_a_rule_keeps_its_channels() -> None:
    net = ChannelNet("float32")
    frame = net.frame()
    first = net.layer(frame, 8)
    whole = net.map(net.shape(first))
    net.op("SOFTMAX", [net.layer(first, 8)], [whole], "SoftmaxOptions", beta=1.0)
    model = net.build([frame], [net.scores(net.mean(net.layer(whole, 6)))])
    frozen = {group.key: group.frozen for group in follow_channels(model).groups if group.frozen}
    assert [reason for reason in frozen.values()] == [
        "the model's input", "SOFTMAX needs them", "SOFTMAX needs them", "the model's output",
    ]  # fmt: skip
    assert sorted(sizes(model).values()) == [6, 8]


def test_padding_of_channels_keeps_them() -> None:
    net = ChannelNet("float32")
    frame = net.frame()
    first = net.layer(frame, 8)
    around = net.tensor(
        "around", [4, 2], "int32", 0.0, data=np.array([[0, 0]] * 3 + [[1, 1]], "i4")
    )
    padded = net.map([1, 8, 8, 10])
    net.op("PAD", [first, around], [padded], "PadOptions")
    model = net.build([frame], [net.scores(net.mean(padded))])
    assert sizes(model) == {}


def test_a_grouped_convolution_keeps_its_channels() -> None:
    net = ChannelNet("float32")
    frame = net.frame()
    first = net.layer(frame, 8)
    kernel = net.constants(first, [8, 1, 1, 4], 0, 4)
    grouped = net.map(net.shape(first))
    net.op("CONV_2D", [first, *kernel], [grouped], "Conv2DOptions", strideH=1, strideW=1)
    model = net.build([frame], [net.scores(net.mean(grouped))])
    assert sizes(model) == {}


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
def test_a_wrong_order_is_named(order: dict[str, np.ndarray], message: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(RatioParametersError, match=message):
        sort_channels(residual("float32"), order)


@given(data=st.data())
@settings(max_examples=100, deadline=None)
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
