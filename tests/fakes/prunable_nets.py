"""Networks with every way in which channels hang together, float or int8, random weights."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from tests.fakes.tiny_models import ModelBuilder

_SCALE = 0.05
"""Of every map."""


class ChannelNet(ModelBuilder):
    """A builder of float32 or int8 networks whose values neither vanish nor saturate."""

    def __init__(self, dtype: str, seed: int = 0) -> None:
        super().__init__(seed)
        self.dtype = dtype
        self._count = 0

    def map(self, shape: Sequence[int], zero_point: int = -128, scale: float = _SCALE) -> int:
        """Add an activation."""
        self._count += 1
        name = f"map_{self._count}"
        return self.tensor(name, shape, self.dtype, scale, zero_point)

    def moved(self, source: int, shape: Sequence[int]) -> int:
        """Add an activation for values of another, which are moved as they are."""
        quantised = self.subgraph.tensors[source].quantization
        if quantised is None:
            return self.map(shape)
        return self.map(shape, int(quantised.zeroPoint[0]), float(quantised.scale[0]))

    def shape(self, index: int) -> list[int]:
        """Return the shape of a tensor."""
        return [int(size) for size in self.subgraph.tensors[index].shape]

    def frame(self, size: int = 8, depth: int = 3) -> int:
        """Add the input."""
        return self.tensor("frame", [1, size, size, depth], self.dtype, 1 / 64, 0)

    def constants(self, source: int, shape: list[int], axis: int, terms: int) -> list[int]:
        """Add weights with one scale per channel, and their bias; return their indices."""
        self._count += 1
        count, names = shape[axis], (f"w_{self._count}", f"b_{self._count}")
        real = self.random.normal(0, 2 / np.sqrt(terms), shape).astype(np.float32)
        offsets = self.random.normal(0, 0.5, count).astype(np.float32)
        if self.dtype == "float32":
            return [self.tensor(names[0], shape, "float32", data=real),
                    self.tensor(names[1], [count], "float32", data=offsets)]  # fmt: skip
        others = tuple(i for i in range(len(shape)) if i != axis)
        scales = (np.abs(real).max(axis=others) / 127).astype(np.float32)
        along = [1] * len(shape)
        along[axis] = count
        weights = np.rint(real / scales.reshape(along)).astype(np.int8)
        index = self.tensor(names[0], shape, "int8", scales.tolist(), data=weights)
        self.subgraph.tensors[index].quantization.quantizedDimension = axis
        units = float(self.subgraph.tensors[source].quantization.scale[0]) * scales
        biases = np.rint(offsets / units).astype(np.int32)
        return [index, self.tensor(names[1], [count], "int32", units.tolist(), data=biases)]

    def layer(self, source: int, channels: int, window: int = 1, stride: int = 1,
              activation: str = "RELU") -> int:  # fmt: skip
        """Add a convolution."""
        _, height, width, depth = self.shape(source)
        kernel = self.constants(source, [channels, window, window, depth], 0, window**2 * depth)
        out = self.map([1, -(-height // stride), -(-width // stride), channels],
                       -128 if activation == "RELU" else 3)  # fmt: skip
        return self.op("CONV_2D", [source, *kernel], [out], "Conv2DOptions", version=3,
                       strideH=stride, strideW=stride, padding=schema.Padding.SAME,
                       fusedActivationFunction=_activation(activation))  # fmt: skip

    def depthwise(self, source: int, multiplier: int = 1, stride: int = 1) -> int:
        """Add a 3x3 depthwise convolution."""
        _, height, width, depth = self.shape(source)
        kernel = self.constants(source, [1, 3, 3, depth * multiplier], 3, 9)
        out = self.map([1, -(-height // stride), -(-width // stride), depth * multiplier])
        return self.op("DEPTHWISE_CONV_2D", [source, *kernel], [out], "DepthwiseConv2DOptions",
                       version=3, strideH=stride, strideW=stride, padding=schema.Padding.SAME,
                       depthMultiplier=multiplier,
                       fusedActivationFunction=_activation("RELU"))  # fmt: skip

    def sum(self, left: int, right: int) -> int:
        """Add two maps."""
        out = self.map(self.shape(left), -100, _SCALE * 1.5)
        return self.op("ADD", [left, right], [out], "AddOptions", version=2)

    def normalise(self, source: int) -> int:
        """Multiply and add a constant per channel: a batch normalisation that is not folded."""
        for name, options in (("MUL", "MulOptions"), ("ADD", "AddOptions")):
            self._count += 1
            depth = self.shape(source)[-1]
            real = self.random.uniform(0.3, 1.2, depth)
            data = real.astype(np.float32)
            if self.dtype == "int8":
                data = np.rint(real * 100).astype(np.int8)
            constant = self.tensor(f"c_{self._count}", [depth], self.dtype, 0.01, data=data)
            out = self.map(self.shape(source))
            source = self.op(name, [source, constant], [out], options, version=2)
        return source

    def concat(self, *parts: int) -> int:
        """Put maps behind one another along the channels."""
        *place, _ = self.shape(parts[0])
        out = self.map([*place, sum(self.shape(part)[-1] for part in parts)])
        return self.op("CONCATENATION", list(parts), [out], "ConcatenationOptions", version=2,
                       axis=3)  # fmt: skip

    def pool(self, source: int) -> int:
        """Halve a map by 2x2 maxima."""
        _, height, width, depth = self.shape(source)
        out = self.moved(source, [1, height // 2, width // 2, depth])
        return self.op("MAX_POOL_2D", [source], [out], "Pool2DOptions", version=2, strideH=2,
                       strideW=2, filterHeight=2, filterWidth=2,
                       padding=schema.Padding.VALID)  # fmt: skip

    def mean(self, source: int, keep: bool = False) -> int:
        """Average a map over its pixels."""
        *_, depth = self.shape(source)
        axes = self.tensor(f"axes_{self._count}", [2], "int32", 0.0, data=np.array([1, 2], "i4"))
        out = self.map([1, 1, 1, depth] if keep else [1, depth])
        return self.op("MEAN", [source, axes], [out], "ReducerOptions", version=2, keepDims=keep)

    def gate(self, source: int, channels: int) -> int:
        """Squeeze and excite."""
        _, _, _, depth = self.shape(source)
        squeezed = self.layer(self.mean(source, keep=True), channels)
        excited = self.layer(squeezed, depth, activation="NONE")
        weight = self.map([1, 1, 1, depth], -128, 1 / 256)
        self.op("LOGISTIC", [excited], [weight], version=2)
        out = self.map(self.shape(source))
        return self.op("MUL", [source, weight], [out], "MulOptions", version=2)

    def pad(self, source: int) -> int:
        """Add a border of zeros."""
        _, height, width, depth = self.shape(source)
        around = np.array([[0, 0], [1, 1], [1, 1], [0, 0]], np.int32)
        border = self.tensor(f"border_{self._count}", [4, 2], "int32", 0.0, data=around)
        out = self.moved(source, [1, height + 2, width + 2, depth])
        return self.op("PAD", [source, border], [out], "PadOptions", version=2)

    def flat(self, source: int) -> int:
        """Flatten a map, its shape written down twice."""
        size = int(np.prod(self.shape(source)))
        to = self.tensor(f"shape_{self._count}", [2], "int32", 0.0, data=np.array([1, size], "i4"))
        out = self.moved(source, [1, size])
        return self.op("RESHAPE", [source, to], [out], "ReshapeOptions", newShape=[1, size])

    def scores(self, source: int, classes: int = 6, scale: float = 0.2) -> int:
        """Add a dense layer."""
        _, depth = self.shape(source)
        kernel = self.constants(source, [classes, depth], 0, depth)
        out = self.map([1, classes], 3, scale)
        return self.op("FULLY_CONNECTED", [source, *kernel], [out], "FullyConnectedOptions",
                       version=5)  # fmt: skip


def _activation(name: str) -> Any:
    return getattr(schema.ActivationFunctionType, name)


def residual(dtype: str) -> bytes:
    """Two sums that share their channels through a shortcut of another layer."""
    net = ChannelNet(dtype, 1)
    frame = net.frame()
    first = net.layer(frame, 12, 3)
    second = net.sum(first, net.layer(net.layer(first, 8, 3), 12, activation="NONE"))
    third = net.sum(net.layer(second, 16, stride=2), net.layer(second, 16, 3, stride=2))
    return net.build([frame], [net.scores(net.mean(third))])


def depthwise(dtype: str) -> bytes:
    """Inverted bottlenecks, one depthwise layer with two outputs per channel."""
    net = ChannelNet(dtype, 2)
    frame = net.frame()
    first = net.layer(frame, 8, 3, stride=2)
    wide = net.layer(net.depthwise(net.layer(first, 24)), 8, activation="NONE")
    second = net.depthwise(net.sum(first, wide), 2)
    return net.build([frame], [net.scores(net.mean(net.layer(second, 12)))])


def gated(dtype: str) -> bytes:
    """Squeeze and excite, inside a residual block."""
    net = ChannelNet(dtype, 3)
    frame = net.frame()
    first = net.layer(frame, 12, 3)
    second = net.sum(first, net.gate(net.layer(first, 12, 3), 4))
    return net.build([frame], [net.scores(net.mean(net.gate(second, 8)))])


def dense_blocks(dtype: str) -> bytes:
    """Concatenations that are read whole, and partly again."""
    net = ChannelNet(dtype, 4)
    frame = net.frame()
    first = net.layer(frame, 8, 3)
    second = net.concat(first, net.layer(first, 4, 3))
    third = net.concat(second, net.layer(net.normalise(second), 6, 3))
    return net.build([frame], [net.scores(net.mean(net.layer(third, 10)))])


def flattened(dtype: str) -> bytes:
    """Padding, pooling, a flattened map into two dense layers."""
    net = ChannelNet(dtype, 5)
    frame = net.frame()
    first = net.pool(net.pad(net.layer(net.pad(frame), 8, 3, stride=2)))
    branches = net.concat(first, net.layer(first, 6))
    hidden = net.flat(branches)
    return net.build([frame], [net.scores(net.scores(hidden, 10, _SCALE))])


def early_exits(dtype: str) -> bytes:
    """Three exits over residual blocks; a sum crosses both cuts."""
    net = ChannelNet(dtype, 6)
    frame = net.frame()
    first = net.layer(frame, 12, 3)
    heads = [net.scores(net.mean(first))]
    second = net.sum(first, net.layer(first, 12, 3, activation="NONE"))
    heads.append(net.scores(net.mean(second)))
    third = net.sum(first, net.layer(net.layer(second, 16, 3), 12, activation="NONE"))
    heads.append(net.scores(net.mean(third)))
    return net.build([frame], heads, {f"exit_{i + 1}": head for i, head in enumerate(heads)})


ARCHITECTURES = {
    maker.__name__: maker
    for maker in (residual, depthwise, gated, dense_blocks, flattened, early_exits)
}
