"""Layers that export to plain int8 operators: convolution, addition, mean, fully connected.

Batch normalisation and ReLU disappear into the convolution before them when the net is converted.
"""

from typing import Any

import keras
import tensorflow as tf


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


def normalise(x: Any) -> Any:
    """Batch normalisation, in float32 whatever the precision of the convolutions."""
    return FusedBatchNorm(momentum=0.9, epsilon=1e-3, autocast=False)(x)


def convolve(x: Any, channels: int, stride: int = 1, kernel: int = 3) -> Any:
    """Convolution, batch normalisation, ReLU."""
    x = keras.layers.Conv2D(channels, kernel, stride, padding="same", use_bias=False)(x)
    return keras.layers.ReLU()(normalise(x))


def residual(x: Any, channels: int, inner: int = 0) -> Any:
    """Two convolutions and what came in (K. He et al., CVPR 2016, figure 2).

    Between the two stand `inner` channels, as many as outside if 0.
    """
    y = convolve(x, inner or channels)
    y = keras.layers.Conv2D(channels, 3, padding="same", use_bias=False)(y)
    return keras.layers.ReLU()(keras.layers.Add()([x, normalise(y)]))


def answer(x: Any, classes: int, name: str) -> Any:
    """Mean over the plane, then one logit a class: no softmax, which would saturate in int8."""
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.layers.Dense(classes, dtype="float32", name=name)(x)
