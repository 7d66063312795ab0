"""What ratios add to a file: at most 5 % of the weights of a CIFAR net, 8 % of a MobileNetV2."""

from collections.abc import Callable

import pytest

from models_tflite.graph import Graph
from models_tflite.prunable import PrunableModel, own_constants, write_prunable
from tests.fakes.prunable_nets import ChannelNet
from tests.fakes.ratio_parameters import LAYERS, random_ratio

SEVEN = ("0.87", "0.75", "0.62", "0.5", "0.37", "0.25")
"""And the full width, which needs nothing."""


def cifar_net() -> bytes:
    """The reference net for CIFAR-10: 11 million MACs, 234,144 weights, three exits."""
    net = ChannelNet("int8", 1)
    frame = net.frame(32)
    stem = net.layer(frame, 32, 3, stride=2)
    first = net.sum(stem, net.layer(net.layer(stem, 32, 3), 32, 3, activation="NONE"))
    inner = net.layer(net.layer(first, 64, 3, stride=2), 64, 3, activation="NONE")
    second = net.sum(inner, net.layer(first, 64, 1, stride=2, activation="NONE"))
    third = net.layer(net.layer(net.depthwise(second), 128), 128, 3)
    heads = [net.scores(net.mean(at), 10) for at in (first, second, third)]
    return net.build([frame], heads)


def mobilenet_v2() -> bytes:
    """MobileNetV2 1.0 (arXiv 1801.04381, table 2) with ten classes, on one pixel."""
    net = ChannelNet("int8", 2)
    frame = net.frame(1)
    at = net.layer(frame, 32, 3)
    blocks = [(1, 16, 1), (6, 24, 2), (6, 32, 3), (6, 64, 4), (6, 96, 3), (6, 160, 3), (6, 320, 1)]
    for expansion, channels, repeats in blocks:
        for repeat in range(repeats):
            wide = at if expansion == 1 else net.layer(at, net.shape(at)[-1] * expansion)
            narrow = net.layer(net.depthwise(wide), channels, activation="NONE")
            at = net.sum(at, narrow) if repeat else narrow
    return net.build([frame], [net.scores(net.mean(net.layer(at, 1280)), 10)])


@pytest.mark.parametrize(
    ("make", "least_weights", "limit_percent"),
    [(cifar_net, 230_000, 5), (mobilenet_v2, 2_200_000, 8)],
)
def test_seven_ratios_add_little(
    make: Callable[[], bytes], least_weights: int, limit_percent: float
) -> None:
    model = make()
    graph = Graph(model)
    weights = sum(graph.operand(n, 1).elements for n in graph.nodes if n.op in LAYERS)
    assert weights >= least_weights
    ratios = [random_ratio(model, ratio, seed) for seed, ratio in enumerate(SEVEN)]
    file = write_prunable(model, ratios)
    assert PrunableModel.open(file).ratios == ("1.0", *SEVEN)
    added = len(file) - len(own_constants(model))
    assert 100 * added / weights <= limit_percent
    assert len(file) <= 1.09 * len(model)
