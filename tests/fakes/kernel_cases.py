"""Random one-operator models, for kernels that have to equal the reference bit by bit."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray
from tests.fakes.tiny_models import ModelBuilder

_ACTIVATIONS = ("NONE", "RELU", "RELU6", "RELU_N1_TO_1")


class Case(ModelBuilder):
    """A builder with random shapes, scales and zero points."""

    def size(self, most: int, least: int = 1) -> int:
        return int(self.random.integers(least, most + 1))

    def scale(self, low: float = 1e-3, high: float = 0.5) -> float:
        return float(np.float32(np.exp(self.random.uniform(np.log(low), np.log(high)))))

    def zero_point(self) -> int:
        common = (-128, 0, 127)
        chosen = int(self.random.integers(0, 8))
        return common[chosen] if chosen < 3 else int(self.random.integers(-128, 128))

    def activation(self) -> int:
        name = _ACTIVATIONS[int(self.random.integers(len(_ACTIVATIONS)))]
        return int(getattr(schema.ActivationFunctionType, name))

    def source(self, shape: Sequence[int], name: str = "in") -> int:
        return self.tensor(name, shape, scale=self.scale(), zero_point=self.zero_point())

    def scale_of(self, index: int) -> float:
        return float(self.subgraph.tensors[index].quantization.scale[0])

    def zero_point_of(self, index: int) -> int:
        return int(self.subgraph.tensors[index].quantization.zeroPoint[0])

    def result(self, shape: Sequence[int], like: int | None = None, scale: float = 0.0) -> int:
        if like is not None:
            return self.tensor("out", shape, scale=self.scale_of(like),
                               zero_point=self.zero_point_of(like))  # fmt: skip
        return self.tensor("out", shape, scale=scale or self.scale(), zero_point=self.zero_point())

    def kernel(self, shape: Sequence[int], channel_axis: int, per_channel: bool) -> int:
        count = shape[channel_axis] if per_channel else 1
        scales = [self.scale(1e-3, 0.05) for _ in range(count)]
        data = self.random.integers(-127, 128, shape, np.int8)
        index = self.tensor("w", shape, scale=scales, data=data)
        self.subgraph.tensors[index].quantization.quantizedDimension = channel_axis
        return index

    def bias_for(
        self, source: int, kernel: int, count: int, reach: int, left_out: float = 0.1
    ) -> list[int]:
        """An int32 bias in the range of the products; now and then none."""
        if self.random.random() < left_out:
            return []
        weights = self.subgraph.tensors[kernel].quantization.scale
        scales = [self.scale_of(source) * float(scale) for scale in weights]
        data = self.random.integers(-reach, reach + 1, count).astype(np.int32)
        return [self.tensor("b", [count], "int32", scales, data=data)]

    def fitting_scale(self, source: int, kernel: int, terms: int) -> float:
        """An output scale with which most outputs neither saturate nor vanish."""
        weight = float(np.mean(self.subgraph.tensors[kernel].quantization.scale))
        spread = self.scale_of(source) * weight * 74 * 74 * np.sqrt(terms)
        return float(np.float32(spread / 40 * self.random.uniform(0.3, 3)))


def _window(case: Case, in_size: int, dilate: bool) -> tuple[int, int, int, int, int]:
    """Return kernel, stride, dilation, output size for SAME, output size for VALID (0: none)."""
    kernel, stride = case.size(5), case.size(3)
    dilation = case.size(3) if dilate and stride == 1 else 1
    valid = in_size - (kernel - 1) * dilation
    return kernel, stride, dilation, -(-in_size // stride), max(0, -(-valid // stride))


def _sliding(case: Case, height: int, width: int, dilate: bool = True) -> dict[str, Any]:
    down, right = _window(case, height, dilate), _window(case, width, dilate)
    if down[1] != 1 or right[1] != 1:  # TFLite refuses stride and dilation together
        down = (down[0], down[1], 1, down[3], max(0, -(-(height - down[0] + 1) // down[1])))
        right = (right[0], right[1], 1, right[3], max(0, -(-(width - right[0] + 1) // right[1])))
    valid = case.random.random() < 0.5 and down[4] > 0 and right[4] > 0
    column = 4 if valid else 3
    return {
        "kernel": (down[0], right[0]), "out": (down[column], right[column]),
        "padding": schema.Padding.VALID if valid else schema.Padding.SAME,
        "stride": (down[1], right[1]), "dilation": (down[2], right[2]),
    }  # fmt: skip


def conv(case: Case) -> bytes:
    height, width, inputs = case.size(9), case.size(9), case.size(20)
    outputs = case.size(17)
    window = _sliding(case, height, width)
    source = case.source([1, height, width, inputs])
    kernel = case.kernel([outputs, *window["kernel"], inputs], 0, case.random.random() < 0.8)
    terms = inputs * window["kernel"][0] * window["kernel"][1]
    bias = case.bias_for(source, kernel, outputs, 500 * terms, left_out=0)  # int8 CONV_2D has one
    out = case.result([1, *window["out"], outputs], scale=case.fitting_scale(source, kernel, terms))
    case.op("CONV_2D", [source, kernel, *bias], [out], "Conv2DOptions", version=3,
            padding=window["padding"], fusedActivationFunction=case.activation(),
            strideH=window["stride"][0], strideW=window["stride"][1],
            dilationHFactor=window["dilation"][0],
            dilationWFactor=window["dilation"][1])  # fmt: skip
    return case.build([source], [out])


def depthwise(case: Case) -> bytes:
    height, width, inputs = case.size(9), case.size(9), case.size(20)
    multiplier = 1 if case.random.random() < 0.7 else case.size(4)
    outputs = inputs * multiplier
    window = _sliding(case, height, width)
    source = case.source([1, height, width, inputs])
    kernel = case.kernel([1, *window["kernel"], outputs], 3, case.random.random() < 0.8)
    terms = window["kernel"][0] * window["kernel"][1]
    bias = case.bias_for(source, kernel, outputs, 500 * terms)
    out = case.result([1, *window["out"], outputs], scale=case.fitting_scale(source, kernel, terms))
    case.op("DEPTHWISE_CONV_2D", [source, kernel, *bias], [out], "DepthwiseConv2DOptions",
            version=3, padding=window["padding"], fusedActivationFunction=case.activation(),
            strideH=window["stride"][0], strideW=window["stride"][1],
            depthMultiplier=multiplier, dilationHFactor=window["dilation"][0],
            dilationWFactor=window["dilation"][1])  # fmt: skip
    return case.build([source], [out])


def _dense(case: Case, per_channel: bool) -> bytes:
    rows, inputs, outputs = case.size(3), case.size(70), case.size(20)
    source = case.source([rows, inputs])
    kernel = case.kernel([outputs, inputs], 0, per_channel)
    bias = case.bias_for(source, kernel, outputs, 500 * inputs)
    out = case.result([rows, outputs], scale=case.fitting_scale(source, kernel, inputs))
    case.op("FULLY_CONNECTED", [source, kernel, *bias], [out], "FullyConnectedOptions", version=4,
            fusedActivationFunction=case.activation())  # fmt: skip
    return case.build([source], [out])


def dense(case: Case) -> bytes:
    return _dense(case, per_channel=False)


def dense_per_channel(case: Case) -> bytes:
    return _dense(case, per_channel=True)


def _pool(case: Case, name: str) -> bytes:
    height, width, channels = case.size(12), case.size(12), case.size(9)
    window = _sliding(case, height, width, dilate=False)
    source = case.source([1, height, width, channels])
    out = case.result([1, *window["out"], channels], like=source)
    case.op(name, [source], [out], "Pool2DOptions", version=2, padding=window["padding"],
            fusedActivationFunction=case.activation(),
            strideH=window["stride"][0], strideW=window["stride"][1],
            filterHeight=window["kernel"][0], filterWidth=window["kernel"][1])  # fmt: skip
    return case.build([source], [out])


def average_pool(case: Case) -> bytes:
    return _pool(case, "AVERAGE_POOL_2D")


def max_pool(case: Case) -> bytes:
    return _pool(case, "MAX_POOL_2D")


def _constant(case: Case, values: NDArray[np.signedinteger[Any]]) -> int:
    return case.tensor("constant", values.shape, "int32", 0.0, data=values.astype(np.int32))


def mean(case: Case) -> bytes:
    rank = case.size(4, 2)
    shape = [case.size(9) for _ in range(rank)]
    chosen = case.random.permutation(rank)[: case.size(rank)]
    keep = case.random.random() < 0.5
    source = case.source(shape)
    signs = case.random.random(len(chosen)) < 0.3
    axes = _constant(case, np.where(signs, chosen - rank, chosen))
    kept = [1 if i in chosen else n for i, n in enumerate(shape) if keep or i not in chosen]
    equal = case.random.random() < 0.2
    out = case.result(kept, like=source if equal else None, scale=case.scale())
    case.op("MEAN", [source, axes], [out], "ReducerOptions", version=2, keepDims=keep)
    return case.build([source], [out])


def add(case: Case) -> bytes:
    shape = [case.size(6) for _ in range(case.size(4))]
    shapes = [list(shape), list(shape)]
    if case.random.random() < 0.4:
        smaller = shapes[case.size(2) - 1]
        smaller[:] = [1 if case.random.random() < 0.5 else n for n in shape]
    left, right = case.source(shapes[0]), case.source(shapes[1], "right")
    total = max(case.scale_of(left), case.scale_of(right))
    out = case.result(shape, scale=float(np.float32(total * case.random.uniform(0.3, 3))))
    case.op("ADD", [left, right], [out], "AddOptions", version=2,
            fusedActivationFunction=case.activation())  # fmt: skip
    return case.build([left, right], [out])


def pad(case: Case) -> bytes:
    shape = [1, case.size(7), case.size(7), case.size(7)][-case.size(4) :]
    around = case.random.integers(0, 4, (len(shape), 2))
    around[: len(shape) - 3] = 0
    source = case.source(shape)
    out = case.result([int(n + a.sum()) for n, a in zip(shape, around, strict=True)], like=source)
    case.op("PAD", [source, _constant(case, around)], [out], "PadOptions", version=2)
    return case.build([source], [out])


def reshape(case: Case) -> bytes:
    shape = [case.size(6) for _ in range(3)]
    target = [shape[0] * shape[2], shape[1]]
    source = case.source(shape)
    out = case.result(target, like=source)
    to = _constant(case, np.array(target))
    case.op("RESHAPE", [source, to], [out], "ReshapeOptions", newShape=target)
    return case.build([source], [out])


def softmax(case: Case) -> bytes:
    source = case.source([case.size(3), case.size(60, 1)])
    shape = [int(n) for n in case.subgraph.tensors[source].shape]
    out = case.tensor("out", shape, scale=1 / 256, zero_point=-128)
    beta = float(np.float32(case.random.choice([1.0, 1.0, 0.5, 2.0])))
    case.op("SOFTMAX", [source], [out], "SoftmaxOptions", version=2, beta=beta)
    return case.build([source], [out])


def _relu(case: Case, name: str) -> bytes:
    source = case.source([case.size(5), case.size(30)])
    shape = [int(n) for n in case.subgraph.tensors[source].shape]
    near = float(np.float32(case.scale_of(source) * case.random.uniform(0.2, 4)))
    out = case.result(shape, scale=near)
    case.op(name, [source], [out], version=2)
    return case.build([source], [out])


def relu(case: Case) -> bytes:
    return _relu(case, "RELU")


def relu6(case: Case) -> bytes:
    return _relu(case, "RELU6")


KERNELS: dict[str, Callable[[Case], bytes]] = {
    maker.__name__: maker
    for maker in (
        conv, depthwise, dense, dense_per_channel, average_pool, max_pool, mean, add, pad, reshape,
        softmax, relu, relu6,
    )
}  # fmt: skip
