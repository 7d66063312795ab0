"""Random prunable models of the operators that the firmware runs, at random ratios."""

from dataclasses import dataclass

from ai_edge_litert import schema_py_generated as schema
from tests.fakes.prunable_nets import ChannelNet
from tests.fakes.ratio_parameters import random_ratio

from edge_infer.models_tflite.prunable import follow_channels, own_constants, write_prunable

RATIOS = ("0.75", "0.5", "0.125")


@dataclass(frozen=True)
class PrunableCase:
    """A prunable file, and what its ratios keep."""

    file: bytes
    kept: dict[str, dict[str, int]]
    """Channels of each group, by ratio."""


class _Net(ChannelNet):
    """A builder with random shapes; now and then one scale for all weights of a layer."""

    def __init__(self, seed: int) -> None:
        super().__init__("int8", seed)

    def size(self, most: int, least: int = 1) -> int:
        return int(self.random.integers(least, most + 1))

    def constants(self, source: int, shape: list[int], axis: int, terms: int) -> list[int]:
        made = super().constants(source, shape, axis, terms)
        if self.random.random() < 0.25:
            for index in made:
                quantised = self.subgraph.tensors[index].quantization
                quantised.scale = quantised.scale[:1].copy()
                quantised.zeroPoint = quantised.zeroPoint[:1].copy()
        return made

    def dilated(self, source: int, channels: int) -> int:
        """A 3x3 convolution whose taps lie two pixels apart."""
        _, height, width, depth = self.shape(source)
        kernel = self.constants(source, [channels, 3, 3, depth], 0, 9 * depth)
        out = self.map([1, height, width, channels], 3)
        return self.op("CONV_2D", [source, *kernel], [out], "Conv2DOptions", version=3,
                       strideH=1, strideW=1, dilationHFactor=2, dilationWFactor=2,
                       padding=schema.Padding.SAME)  # fmt: skip

    def block(self, source: int) -> int:
        """One or two layers."""
        match self.size(7):
            case 1:
                return self.layer(source, self.size(18), self.size(3), self.size(2))
            case 2:
                return self.depthwise(source, self.size(3))
            case 3:
                width = self.shape(source)[-1]
                inner = self.layer(source, self.size(12), 3)
                return self.sum(source, self.layer(inner, width, activation="NONE"))
            case 4:
                return self.pad(self.layer(source, self.size(9), activation="NONE"))
            case 5 if min(self.shape(source)[1:3]) > 2:
                return self.pool(source)
            case 6:
                return self.dilated(source, self.size(9))
            case _:
                return self.layer(source, self.size(18), 1)


def prunable_case(seed: int) -> PrunableCase:
    """Return a net of two to five blocks and one or two dense layers."""
    net = _Net(seed)
    frame = net.frame(net.size(9, 4), net.size(4))
    out = net.layer(frame, net.size(16, 2), net.size(3), net.size(2))
    for _ in range(net.size(4)):
        out = net.block(out)
    flat = net.flat(out) if net.random.random() < 0.5 else net.mean(out)
    if net.random.random() < 0.5:
        flat = net.scores(flat, net.size(12, 2), 0.05)
    model = own_constants(net.build([frame], [net.scores(flat, net.size(9, 2))]))
    groups = follow_channels(model).open
    kept = {ratio: {group.key: net.size(group.size) for group in groups} for ratio in RATIOS}
    parameters = [random_ratio(model, ratio, seed, kept[ratio]) for ratio in RATIOS]
    return PrunableCase(write_prunable(model, parameters), kept)
