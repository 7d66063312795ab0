"""Networks of the shapes that microcontrollers run, with random weights."""

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from tests.fakes.kernel_cases import Case

_SCALE = 0.05
"""Of every map: with weights scaled to it, values neither grow nor vanish from layer to layer."""


def _weights(case: Case, source: int, shape: list[int], channel_axis: int, terms: int) -> int:
    """Random weights that turn maps of `_SCALE` into maps of `_SCALE`."""
    # 74 is the spread of uniform int8 values; outputs spread over about 40 steps.
    base = _SCALE * 40 / (case.scale_of(source) * 74 * 74 * np.sqrt(terms))
    scales = [float(np.float32(base * f)) for f in case.random.uniform(0.4, 2, shape[channel_axis])]
    data = case.random.integers(-127, 128, shape, np.int8)
    index = case.tensor("w", shape, scale=scales, data=data)
    case.subgraph.tensors[index].quantization.quantizedDimension = channel_axis
    return index


def _depthwise(case: Case, source: int, stride: int, name: str) -> int:
    _, height, width, channels = (int(n) for n in case.subgraph.tensors[source].shape)
    kernel = _weights(case, source, [1, 3, 3, channels], 3, 9)
    bias = case.bias_for(source, kernel, channels, 4000, left_out=0)
    shape = [1, -(-height // stride), -(-width // stride), channels]
    out = case.tensor(name, shape, scale=_SCALE, zero_point=-128)
    return case.op("DEPTHWISE_CONV_2D", [source, kernel, *bias], [out], "DepthwiseConv2DOptions",
                   version=3, padding=schema.Padding.SAME, strideH=stride, strideW=stride,
                   depthMultiplier=1,
                   fusedActivationFunction=schema.ActivationFunctionType.RELU)  # fmt: skip


def _conv(case: Case, source: int, channels: int, window: tuple[int, int], stride: int,
          name: str, activation: str = "RELU") -> int:  # fmt: skip
    _, height, width, depth = (int(n) for n in case.subgraph.tensors[source].shape)
    terms = window[0] * window[1] * depth
    kernel = _weights(case, source, [channels, *window, depth], 0, terms)
    bias = case.bias_for(source, kernel, channels, 500 * terms, left_out=0)
    zero_point = -128 if activation.startswith("RELU") else 4
    shape = [1, -(-height // stride), -(-width // stride), channels]
    out = case.tensor(name, shape, scale=_SCALE, zero_point=zero_point)
    return case.op("CONV_2D", [source, kernel, *bias], [out], "Conv2DOptions", version=3,
                   padding=schema.Padding.SAME, strideH=stride, strideW=stride,
                   fusedActivationFunction=getattr(schema.ActivationFunctionType,
                                                   activation))  # fmt: skip


def _head(case: Case, source: int, classes: int) -> list[int]:
    flat = case.head("head", source, classes)
    out = case.tensor("softmax", [1, classes], scale=1 / 256, zero_point=-128)
    case.op("SOFTMAX", [flat], [out], "SoftmaxOptions", version=2, beta=1.0)
    return [flat, out]


def ds_cnn(seed: int) -> bytes:
    """Keyword spotting on 49x10 features: one convolution, four separable ones."""
    case = Case(seed)
    source = case.tensor("in", [1, 49, 10, 1], scale=0.5, zero_point=80)
    at = _conv(case, source, 64, (10, 4), 2, "first")
    for block in range(4):
        at = _conv(case, _depthwise(case, at, 1, f"d{block}"), 64, (1, 1), 1, f"p{block}")
    return case.build([source], _head(case, at, 12))


def mobilenet(seed: int) -> bytes:
    """Inverted residuals with ReLU6 on 32x32x3."""
    case = Case(seed)
    source = case.tensor("in", [1, 32, 32, 3], scale=1 / 255, zero_point=-128)
    at = _conv(case, source, 8, (3, 3), 2, "first", "RELU6")
    for block, (channels, stride) in enumerate([(8, 1), (16, 2), (16, 1), (24, 2), (24, 1)]):
        before = at
        at = _conv(case, at, channels * 4, (1, 1), 1, f"wide{block}", "RELU6")
        at = _depthwise(case, at, stride, f"deep{block}")
        at = _conv(case, at, channels, (1, 1), 1, f"narrow{block}", "NONE")
        if stride == 1:
            at = case.add(f"sum{block}", before, at)
    return case.build([source], _head(case, at, 10))
