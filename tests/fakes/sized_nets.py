"""Prunable files of real sizes with random weights and ratios: for what ratios cost."""

from tests.fakes.prunable_nets import ChannelNet
from tests.fakes.ratio_parameters import random_ratio

from edge_infer.models_tflite.prunable import write_prunable

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


def mobilenet_v2(size: int = 1) -> bytes:
    """MobileNetV2 1.0 (arXiv 1801.04381, table 2) with ten classes.

    Args:
        size: side of the input in pixels; the weights do not depend on it.
    """
    net = ChannelNet("int8", 2)
    frame = net.frame(size)
    at = net.layer(frame, 32, 3, stride=2)
    blocks = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1),
              (6, 160, 3, 2), (6, 320, 1, 1)]  # fmt: skip
    for expansion, channels, repeats, stride in blocks:
        for repeat in range(repeats):
            wide = at if expansion == 1 else net.layer(at, net.shape(at)[-1] * expansion)
            smaller = net.depthwise(wide, stride=1 if repeat else stride)
            narrow = net.layer(smaller, channels, activation="NONE")
            at = net.sum(at, narrow) if repeat else narrow
    return net.build([frame], [net.scores(net.mean(net.layer(at, 1280)), 10)])


def with_seven_ratios(model: bytes) -> bytes:
    """Return a net that can be cut to `SEVEN` and the full width."""
    return write_prunable(model, [random_ratio(model, r, seed) for seed, r in enumerate(SEVEN)])
