"""EfficientNet-Lite in Keras, with weights of the PyTorch port."""

from collections.abc import Iterator, Mapping
from math import ceil
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from edge_infer.lab.costs.networks import LITE, LITE_SCALES

EPSILON = 1e-3
"""Of the batch normalisation."""
Weights = Mapping[str, NDArray[np.float32]]


def lite_net(weights: Weights, number: int) -> keras.Model:
    """Return EfficientNet-Lite `number`, from pictures as (pixel - 127) / 128 to 1,000 logits.

    Args:
        weights: by the names of the PyTorch port; widths and windows are read off their shapes.
        number: 0 to 4.

    Raises:
        KeyError: a weight is missing.
        ValueError: a weight has another shape, or there are more than the net has.
    """
    size = LITE_SCALES[number][2]
    frame = keras.Input((size, size, 3))
    left = dict(weights)
    x = _convolve(frame, left, "_conv_stem", "_bn0", stride=2)
    for index, (stride, expands) in enumerate(_blocks(number)):
        x = _bottleneck(x, left, f"_blocks.{index}.", stride, expands)
    x = _convolve(x, left, "_conv_head", "_bn1")
    x = keras.layers.GlobalAveragePooling2D()(x)
    kernel, bias = left.pop("_fc.weight"), left.pop("_fc.bias")
    logits = _with(keras.layers.Dense(len(bias), name="logits"), x, [kernel.T, bias])
    if left:
        raise ValueError(f"{len(left)} weights are not of EfficientNet-Lite{number}: {min(left)}")
    return keras.Model(frame, logits)


def _blocks(number: int) -> Iterator[tuple[int, bool]]:
    """Yield stride and whether it expands of each block: first and last group do not deepen."""
    depth = LITE_SCALES[number][1]
    for index, (repeats, _, stride, expansion, _) in enumerate(LITE):
        ends = index in (0, len(LITE) - 1)
        for repeat in range(repeats if ends else ceil(repeats * depth)):
            yield 1 if repeat else stride, expansion > 1


def _bottleneck(x: Any, left: dict[str, Any], name: str, stride: int, expands: bool) -> Any:
    y = _convolve(x, left, f"{name}_expand_conv", f"{name}_bn0") if expands else x
    y = _convolve(y, left, f"{name}_depthwise_conv", f"{name}_bn1", stride=stride, depthwise=True)
    y = _convolve(y, left, f"{name}_project_conv", f"{name}_bn2", relu=False)
    return keras.layers.Add()([y, x]) if stride == 1 and y.shape == x.shape else y


def _convolve(
    x: Any, left: dict[str, Any], conv: str, norm: str, *,
    stride: int = 1, depthwise: bool = False, relu: bool = True,
) -> Any:  # fmt: skip
    kernel = left.pop(f"{conv}.weight")
    options = {"strides": stride, "padding": "same", "use_bias": False}
    window = kernel.shape[2:]
    if depthwise:
        layer = keras.layers.DepthwiseConv2D(window, **options)
        kernel = kernel.transpose(2, 3, 0, 1)
    else:
        layer = keras.layers.Conv2D(len(kernel), window, **options)
        kernel = kernel.transpose(2, 3, 1, 0)
    x = _with(layer, x, [kernel])
    parts = ("weight", "bias", "running_mean", "running_var")
    left.pop(f"{norm}.num_batches_tracked", None)
    statistics = [left.pop(f"{norm}.{part}") for part in parts]
    x = _with(keras.layers.BatchNormalization(epsilon=EPSILON), x, statistics)
    return keras.layers.ReLU(6.0)(x) if relu else x


def _with(layer: Any, x: Any, weights: list[NDArray[np.float32]]) -> Any:
    y = layer(x)
    layer.set_weights(weights)
    return y
