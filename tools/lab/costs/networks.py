"""Published networks as work for a board model: their operators, by their papers' tables.

Names: mobilenet-v1-WIDTH-SIZE, mobilenet-v2-WIDTH-SIZE, mobilenet-v3-{small,large}[-minimalistic]
-WIDTH-SIZE, efficientnet-lite{0..4}, ssd-mobilenet-{v1,v2}-WIDTH-SIZE, resnet-8, resnet-18,
resnet-50, googlenet, vww.
"""

import math
import re
from collections.abc import Callable, Sequence

from edge_infer.boards.cost_table import OpWork, Work

CLASSES = 1001
V1 = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *((512, 1),) * 5,
      (1024, 2), (1024, 1))  # fmt: skip
"""Channels and stride: arXiv 1704.04861, table 1."""
V2 = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2),
      (6, 320, 1, 1))  # fmt: skip
"""Expansion, channels, repeats, stride: arXiv 1801.04381, table 2."""
V3 = {
    "large": (
        (3, 16, 16, False, False, 1), (3, 64, 24, False, False, 2), (3, 72, 24, False, False, 1),
        (5, 72, 40, True, False, 2), (5, 120, 40, True, False, 1), (5, 120, 40, True, False, 1),
        (3, 240, 80, False, True, 2), (3, 200, 80, False, True, 1), (3, 184, 80, False, True, 1),
        (3, 184, 80, False, True, 1), (3, 480, 112, True, True, 1), (3, 672, 112, True, True, 1),
        (5, 672, 160, True, True, 2), (5, 960, 160, True, True, 1), (5, 960, 160, True, True, 1),
    ),
    "small": (
        (3, 16, 16, True, False, 2), (3, 72, 24, False, False, 2), (3, 88, 24, False, False, 1),
        (5, 96, 40, True, True, 2), (5, 240, 40, True, True, 1), (5, 240, 40, True, True, 1),
        (5, 120, 48, True, True, 1), (5, 144, 48, True, True, 1), (5, 288, 96, True, True, 2),
        (5, 576, 96, True, True, 1), (5, 576, 96, True, True, 1),
    ),
}  # fmt: skip
"""Window, expanded channels, channels, squeeze, hard swish, stride: arXiv 1905.02244, table 1."""
V3_END = {"large": (960, 1280), "small": (576, 1024)}
LITE = ((1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112),
        (4, 5, 2, 6, 192), (1, 3, 1, 6, 320))  # fmt: skip
"""Repeats, window, stride, expansion, channels: tensorflow/tpu, efficientnet/lite."""
LITE_SCALES = ((1.0, 1.0, 224), (1.0, 1.1, 240), (1.1, 1.2, 260), (1.2, 1.4, 280), (1.4, 1.8, 300))
"""Width, depth, size of lite0 to lite4."""
INCEPTIONS = (
    (28, 192, 64, 96, 128, 16, 32, 32), (28, 256, 128, 128, 192, 32, 96, 64),
    (14, 480, 192, 96, 208, 16, 48, 64), (14, 512, 160, 112, 224, 24, 64, 64),
    (14, 512, 128, 128, 256, 24, 64, 64), (14, 512, 112, 144, 288, 32, 64, 64),
    (14, 528, 256, 160, 320, 32, 128, 128), (7, 832, 256, 160, 320, 32, 128, 128),
    (7, 832, 384, 192, 384, 48, 128, 128),
)  # fmt: skip
"""Size, channels in; 1x1; 3x3 reduce, 3x3; 5x5 reduce, 3x3 (torchvision's); pool projection."""


class _Net:
    """Operators along a chain of square maps."""

    def __init__(self, size: int, channels: int = 3) -> None:
        self.size, self.channels = size, channels
        self.ops: list[OpWork] = []

    @property
    def elements(self) -> int:
        return self.size**2 * self.channels

    def conv(self, channels: int, window: int = 1, stride: int = 1) -> "_Net":
        inputs, depth = self.elements, self.channels
        self.size, self.channels = -(-self.size // stride), channels
        macs = self.elements * depth * window**2
        self.ops.append(OpWork("CONV_2D", macs, self.elements, channels, window**2, inputs))
        return self

    def depthwise(self, window: int, stride: int = 1) -> "_Net":
        inputs, self.size = self.elements, -(-self.size // stride)
        macs = self.elements * window**2
        self.ops.append(
            OpWork("DEPTHWISE_CONV_2D", macs, self.elements, self.channels, window**2, inputs)
        )
        return self

    def each(self, op: str, inputs: int = 1) -> "_Net":
        """An operator from elements to as many."""
        self.ops.append(OpWork(op, 0, self.elements, self.channels, 1, inputs * self.elements))
        return self

    def after(self, activation: str) -> "_Net":
        """An activation that no kernel before it takes in; none if empty."""
        return self.each(activation) if activation else self

    def max_pool(self, window: int, stride: int) -> "_Net":
        inputs, self.size = self.elements, -(-self.size // stride)
        self.ops.append(OpWork("MAX_POOL_2D", 0, self.elements, self.channels, window**2, inputs))
        return self

    def average(self) -> "_Net":
        inputs, taps, self.size = self.elements, self.size**2, 1
        self.ops.append(OpWork("AVERAGE_POOL_2D", 0, self.channels, self.channels, taps, inputs))
        return self

    def dense(self, classes: int) -> "_Net":
        inputs, self.size, self.channels = self.elements, 1, classes
        self.ops.append(OpWork("FULLY_CONNECTED", inputs * classes, classes, classes, 1, inputs))
        return self

    def bottleneck(self, expanded: int, channels: int, window: int, stride: int) -> None:
        """An inverted residual: expand, depthwise, project, add."""
        came = self.channels
        if expanded != came:
            self.conv(expanded)
        self.depthwise(window, stride).conv(channels)
        if stride == 1 and came == channels:
            self.each("ADD", 2)

    def beside(self, size: int, channels: int, filters: int, window: int = 1,
               stride: int = 1) -> None:  # fmt: skip
        """A convolution on a branch of its own."""
        self.ops += _Net(size, channels).conv(filters, window, stride).ops


def network_names() -> tuple[str, ...]:
    """Return how networks are named, for messages."""
    return tuple(pattern for pattern, _ in _BUILDERS)


def network(name: str, dtype: str = "int8") -> Work:
    """Return a published network as work. Raises ValueError for an unknown name."""
    for pattern, build in _BUILDERS:
        found = re.fullmatch(pattern, name)
        if found:
            return Work(name, tuple(build(*found.groups()).ops), decides=False, dtype=dtype)
    raise ValueError(f"no network {name}; there are {', '.join(network_names())}")


def _even(channels: float, step: int = 8) -> int:
    """Channels are multiples of 8, no more than 10 % fewer: arXiv 1801.04381's code."""
    rounded = max(step, int(channels + step / 2) // step * step)
    return rounded + step if rounded < 0.9 * channels else rounded


def _classified(net: _Net) -> _Net:
    return net.average().conv(CLASSES).each("RESHAPE").each("SOFTMAX")


def _mobilenet_v1(width: str, size: str) -> _Net:
    net = _Net(int(size)).conv(max(8, int(32 * float(width))), 3, 2)
    for channels, stride in V1:
        net.depthwise(3, stride).conv(int(channels * float(width)))
    return _classified(net)


def _v2_blocks(net: _Net, width: float, between: Callable[[int], None] = lambda _: None) -> None:
    for expansion, channels, repeats, first in V2:
        for repeat in range(repeats):
            stride = 1 if repeat else first
            net.bottleneck(net.channels * expansion, _even(channels * width), 3, stride)
            between(channels)


def _mobilenet_v2(width: str, size: str) -> _Net:
    net = _Net(int(size)).conv(_even(32 * float(width)), 3, 2)
    _v2_blocks(net, float(width))
    return _classified(net.conv(max(1280, _even(1280 * float(width)))))


def _mobilenet_v3(kind: str, minimal: str | None, width: str, size: str) -> _Net:
    net, share = _Net(int(size)).conv(16, 3, 2), float(width)
    swish = "" if minimal else "HARD_SWISH"
    net.after(swish)
    for window, expanded, channels, squeeze, swishes, stride in V3[kind]:
        came, wide, out = net.channels, _even(expanded * share), _even(channels * share)
        activation = swish if swishes else ""
        if wide != came or net.size < int(size) // 2:
            net.conv(wide).after(activation)
        net.depthwise(3 if minimal else window, stride).after(activation)
        if squeeze and not minimal:
            _squeeze(net)
        net.conv(out)
        if stride == 1 and came == out:
            net.each("ADD", 2)
    last, head = V3_END[kind]
    net.conv(_even(last * share)).after(swish).average().conv(head).after(swish)
    return net.conv(CLASSES).each("RESHAPE").each("SOFTMAX")


def _squeeze(net: _Net) -> None:
    inside = _Net(net.size, net.channels).average()
    inside.conv(_even(net.channels / 4)).conv(net.channels).each("HARD_SWISH")
    net.ops += inside.ops
    net.each("MUL", 2)


def _efficientnet_lite(number: str) -> _Net:
    width, depth, size = LITE_SCALES[int(number)]
    net = _Net(size).conv(32, 3, 2)
    for index, (repeats, window, first, expansion, channels) in enumerate(LITE):
        ends = index in (0, len(LITE) - 1)
        for repeat in range(repeats if ends else math.ceil(repeats * depth)):
            stride = 1 if repeat else first
            net.bottleneck(net.channels * expansion, _even(channels * width), window, stride)
    return net.conv(1280).average().dense(1000).each("SOFTMAX")


def _ssd(version: str, width: str, size: str) -> _Net:
    net, share = _Net(int(size)).conv(max(8, int(32 * float(width))), 3, 2), float(width)
    maps: list[tuple[int, int]] = []
    if version == "v1":
        for index, (channels, stride) in enumerate(V1):
            net.depthwise(3, stride).conv(int(channels * share))
            if index == 10:
                maps.append((net.size, net.channels))
    else:

        def keep(channels: int) -> None:
            if channels == 160 and len(maps) == 0:
                maps.append((net.size * 2, 96 * 6))

        _v2_blocks(net, share, keep)
        net.conv(1280)
    maps.append((net.size, net.channels))
    for narrow, channels in ((256, 512), (128, 256), (128, 256), (64, 128)):
        net.conv(narrow).conv(channels, 3, 2)
        maps.append((net.size, net.channels))
    return _boxes(net, maps)


def _boxes(net: _Net, maps: Sequence[tuple[int, int]]) -> _Net:
    """Boxes and 91 classes of three anchors on the first map, six on the others."""
    anchors = 0
    for index, (size, channels) in enumerate(maps):
        count = 6 if index else 3
        anchors += count * size**2
        for filters in (count * 4, count * 91):
            net.beside(size, channels, filters)
    scores = anchors * 91
    net.ops.append(OpWork("LOGISTIC", 0, scores, 91, 1, scores))
    net.ops.append(OpWork("TFLite_Detection_PostProcess", 0, scores, 91, 1, scores))
    return net


def _resnet_8() -> _Net:
    net = _Net(32).conv(16, 3)
    for channels, stride in ((16, 1), (32, 2), (64, 2)):
        size, came = net.size, net.channels
        net.conv(channels, 3, stride).conv(channels, 3)
        if stride > 1:
            net.beside(size, came, channels, 1, stride)
        net.each("ADD", 2)
    return net.average().each("RESHAPE").dense(10).each("SOFTMAX")


def _vww() -> _Net:
    net = _Net(96).conv(8, 3, 2)
    for channels, stride in V1:
        net.depthwise(3, stride).conv(channels // 4)
    return net.average().each("RESHAPE").dense(2).each("SOFTMAX")


def _resnet(blocks: Sequence[tuple[int, int, int]], deep: bool) -> _Net:
    net = _Net(224).conv(64, 7, 2).max_pool(3, 2)
    for channels, repeats, first in blocks:
        for repeat in range(repeats):
            size, came, stride = net.size, net.channels, 1 if repeat else first
            if deep:
                net.conv(channels).conv(channels, 3, stride).conv(4 * channels)
            else:
                net.conv(channels, 3, stride).conv(channels, 3)
            if came != net.channels:
                net.beside(size, came, net.channels, 1, stride)
            net.each("ADD", 2)
    return net.average().dense(1000)


def _googlenet() -> _Net:
    net = _Net(224).conv(64, 7, 2).max_pool(3, 2).conv(64).conv(192, 3).max_pool(3, 2)
    for size, came, one, narrow_3, three, narrow_5, five, pooled in INCEPTIONS:
        for channels, filters, window in (
            (came, one, 1), (came, narrow_3, 1), (narrow_3, three, 3), (came, narrow_5, 1),
            (narrow_5, five, 3), (came, pooled, 1),
        ):  # fmt: skip
            net.beside(size, channels, filters, window)
        net.ops += _Net(size, came).max_pool(3, 1).ops
        net.ops += _Net(size, one + three + five + pooled).each("CONCATENATION").ops
    net.size, net.channels = 7, 1024
    return net.average().dense(1000)


_BUILDERS: tuple[tuple[str, Callable[..., _Net]], ...] = (
    (r"mobilenet-v1-([\d.]+)-(\d+)", _mobilenet_v1),
    (r"mobilenet-v2-([\d.]+)-(\d+)", _mobilenet_v2),
    (r"mobilenet-v3-(small|large)(-minimalistic)?-([\d.]+)-(\d+)", _mobilenet_v3),
    (r"efficientnet-lite([0-4])", _efficientnet_lite),
    (r"ssd-mobilenet-(v1|v2)-([\d.]+)-(\d+)", _ssd),
    ("resnet-8", _resnet_8),
    ("resnet-18", lambda: _resnet(((64, 2, 1), (128, 2, 2), (256, 2, 2), (512, 2, 2)), False)),
    ("resnet-50", lambda: _resnet(((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)), True)),
    ("googlenet", _googlenet),
    ("vww", _vww),
)
