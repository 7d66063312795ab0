"""The nets: each builder takes shape, classes and names of the exits, and gives a Keras model.

Inputs are in 0 to 1. Outputs are logits, one tensor an exit, in the order of `exits`. Between two
exits one tensor of the trunk goes on, so the quantised model can be cut there. Their layers export
to plain int8 operators: convolution, addition, mean, fully connected; batch normalisation and ReLU
disappear into the convolution before them when the net is converted.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from edge_infer.lab.train.errors import TrainError

Shape = tuple[int, int, int]


def early_exit(
    shape: Shape,
    classes: int,
    exits: Sequence[str],
    stages: Sequence[Sequence[Mapping[str, Any]]],
    heads: Sequence[Sequence[Mapping[str, Any]]],
) -> keras.Model:
    """A trunk in stages, with a small head of its own behind each stage.

    Args:
        shape: height, width and channels of the input.
        classes: logits of each exit.
        exits: one name a stage.
        stages: layers of the trunk, stage by stage, as `_layer` reads them.
        heads: layers between the trunk and the mean, exit by exit.
    """
    frame = x = keras.Input(shape)
    outputs = []
    for name, stage, head in zip(exits, stages, heads, strict=True):
        x = _stack(x, stage)
        outputs.append(_answer(_stack(x, head), classes, name))
    return keras.Model(frame, outputs)


def branches(
    shape: Shape,
    classes: int,
    exits: Sequence[str],
    branches: Sequence[Sequence[Mapping[str, Any]]],
) -> keras.Model:
    """Nets side by side that share nothing but the frame: a little one, then bigger ones."""
    frame = keras.Input(shape)
    outputs = [
        _answer(_stack(frame, layers), classes, name)
        for name, layers in zip(exits, branches, strict=True)
    ]
    return keras.Model(frame, outputs)


def _stack(x: Any, layers: Sequence[Mapping[str, Any]]) -> Any:
    for layer in layers:
        x = _layer(x, **layer)
    return x


def _layer(
    x: Any,
    conv: int = 0,
    residual_of: int = 0,
    stride: int = 1,
    kernel: int = 3,
    pool: int = 1,
    inner: int = 0,
) -> Any:
    """`{conv = 32, stride = 2}`, `{residual_of = 64}`; `pool` takes a maximum afterwards.

    `inner` is the width between the two convolutions of a residual block, if another.
    """
    if conv:
        x = _convolve(x, conv, stride, kernel)
    if residual_of:
        x = _residual(x, residual_of, inner)
    return keras.layers.MaxPooling2D(pool)(x) if pool > 1 else x


BUILDERS: dict[str, Callable[..., keras.Model]] = {"early-exit": early_exit, "branches": branches}


def build_net(
    net: Mapping[str, Any], shape: Shape, classes: int, exits: Sequence[str]
) -> keras.Model:
    """Build what a recipe's [net] describes.

    Raises:
        TrainError: no such builder, or an argument or layer that it does not know.
    """
    arguments = dict(net)
    builder = BUILDERS.get(arguments.pop("builder", ""))
    if builder is None:
        raise TrainError(f"[net]: builder is none of {', '.join(BUILDERS)}")
    try:
        return builder(shape, classes, exits, **arguments)
    except TypeError as error:
        raise TrainError(f"[net]: {error}") from None


class FusedBatchNorm(keras.layers.BatchNormalization):  # type: ignore[misc]
    """Batch normalisation that trains through TensorFlow's fused kernel.

    Keras 3 writes it as some ten elementwise operators, which take longer on a CPU than the
    convolutions between them.
    """

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Normalise with the batch's own statistics in training, else with the moving ones.

        A frozen layer keeps its moving statistics, as Keras' own does.
        """
        if not (training and self.trainable):
            return super().call(inputs, training=False)
        output, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=tf.convert_to_tensor(self.gamma),
            offset=tf.convert_to_tensor(self.beta),
            mean=[],
            variance=[],
            epsilon=self.epsilon,
            is_training=True,
        )
        keep = self.momentum
        self.moving_mean.assign(self.moving_mean * keep + mean * (1 - keep))
        self.moving_variance.assign(self.moving_variance * keep + variance * (1 - keep))
        return output


def _normalise(x: Any) -> Any:
    """Batch normalisation, in float32 whatever the precision of the convolutions."""
    return FusedBatchNorm(momentum=0.9, epsilon=1e-3, autocast=False)(x)


def _convolve(x: Any, channels: int, stride: int = 1, kernel: int = 3) -> Any:
    """Convolution, batch normalisation, ReLU."""
    x = keras.layers.Conv2D(channels, kernel, stride, padding="same", use_bias=False)(x)
    return keras.layers.ReLU()(_normalise(x))


def _residual(x: Any, channels: int, inner: int = 0) -> Any:
    """Two convolutions and what came in (K. He et al., CVPR 2016, figure 2).

    Between the two stand `inner` channels, as many as outside if 0.
    """
    y = _convolve(x, inner or channels)
    y = keras.layers.Conv2D(channels, 3, padding="same", use_bias=False)(y)
    return keras.layers.ReLU()(keras.layers.Add()([x, _normalise(y)]))


def _answer(x: Any, classes: int, name: str) -> Any:
    """Mean over the plane, then one logit a class: no softmax, which would saturate in int8."""
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.layers.Dense(classes, dtype="float32", name=name)(x)
