"""The layers of a file whose values differ per ratio, as arrays: one scatter writes them all."""

import struct
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from models_tflite.prunable.constants import Constant, Kept
from models_tflite.prunable.errors import PrunableError
from models_tflite.prunable.layers import LayerScales, LayerValues, counted, decode_layers
from models_tflite.prunable.layout import NO_BIAS, Layer, Layout, RatioCodes
from models_tflite.prunable.places import WORD, Places

Words = NDArray[np.int32]
"""A file as 32-bit words."""


class LayerTable:
    """Where the scales and biases of all layers lie.

    Args:
        data: the file.
        places: of it.
        layout: of it.
        constants: by tensor; those of every layer are among them.

    Raises:
        PrunableError: a layer is not one of int8 weights with their int32 bias.
    """

    def __init__(
        self, data: bytes, places: Places, layout: Layout, constants: Mapping[int, Constant]
    ) -> None:
        layers = layout.layers
        self.weights = [constants[layer.weights] for layer in layers]
        biases = [constants.get(layer.bias) for layer in layers]
        for layer, weights, bias in zip(layers, self.weights, biases, strict=True):
            _check_layer(layer, weights, bias)
        self._axes = [weights.channel_axis for weights in self.weights]
        self._scales = _words([weights.scales.at for weights in self.weights])
        self._zeros = _words([weights.zero_points.at for weights in self.weights])
        self._channels = np.array([weights.scales.length for weights in self.weights], np.int64)
        self._has_bias = np.array([bias is not None for bias in biases], np.bool_)
        found = [bias for bias in biases if bias is not None]
        self._biases = _words([bias.data.at for bias in found])
        self._bias_scales = _words([bias.scales.at for bias in found])
        self._bias_zeros = _words([bias.zero_points.at for bias in found])
        self._bias_axes = [bias.cuts[0][1] if bias.cuts else -1 for bias in found]
        self._bias_full = [bias.shape[0] for bias in found]
        self._sources = _Edges(data, places, layout, [layer.source for layer in layers])
        self._outputs = _Edges(data, places, layout, [layer.output for layer in layers])

    def write(
        self, words: Words, codes: RatioCodes, kept: Sequence[Kept], lengths: Words
    ) -> list[NDArray[np.int8] | None]:
        """Put scales and biases of a ratio into a copy of the file.

        Args:
            words: the copy.
            codes: of the ratio.
            kept: positions that stay, by axis.
            lengths: how many those are, by axis.

        Returns:
            For each layer the signs of its channels, None where all are +1.

        Raises:
            PrunableError: there are fewer codes than channels, or one makes no sense.
        """
        counts = np.array(
            [n if axis is None else lengths[axis] for n, axis in zip(
                self._channels, self._axes, strict=True)], np.int64,
        )  # fmt: skip
        biases = np.array(
            [n if axis < 0 else lengths[axis] for n, axis in zip(
                self._bias_full, self._bias_axes, strict=True)], np.int64,
        )  # fmt: skip
        bias_counts = np.zeros_like(counts)
        bias_counts[self._has_bias] = biases
        values = decode_layers(
            codes,
            LayerScales(
                full=self._full(words, kept),
                scale_counts=counts,
                bias_counts=bias_counts,
                sources=self._sources.scales(codes),
                outputs=self._outputs.scales(codes),
            ),
        )
        self._scatter(words, values, counts, biases)
        ends = np.cumsum(counts)
        signs = (1 - 2 * values.negative.astype(np.int8)).astype(np.int8)
        return [
            signs[end - count : end] if has_signs else None
            for end, count, has_signs in zip(
                ends.tolist(), counts.tolist(), codes.widths[:, 2].tolist(), strict=True
            )
        ]

    def _full(self, words: Words, kept: Sequence[Kept]) -> NDArray[np.float32]:
        """Return the full width's scales of the channels that stay, in a row."""
        scales = words.view(np.float32)
        parts = []
        for start, count, axis in zip(
            self._scales.tolist(), self._channels.tolist(), self._axes, strict=True
        ):
            own = scales[start : start + count]
            parts.append(own if axis is None else own[kept[axis]])
        return np.concatenate([np.zeros(0, np.float32), *parts])

    def _scatter(
        self,
        words: Words,
        values: LayerValues,
        counts: NDArray[np.int64],
        biases: NDArray[np.int64],
    ) -> None:
        floats = words.view(np.float32)
        within = counted(counts)
        floats[np.repeat(self._scales, counts) + within] = values.scales
        own = np.repeat(self._has_bias, counts)
        bias_scale_counts = counts[self._has_bias]
        places = np.repeat(self._bias_scales, bias_scale_counts) + within[own]
        floats[places] = values.bias_scales[own]
        words[np.repeat(self._biases, biases) + counted(biases)] = values.biases
        # The lengths before the vectors; the zero points behind them stay: all are 0.
        words[self._scales - 1] = words[self._zeros - 1] = counts
        words[self._bias_scales - 1] = words[self._bias_zeros - 1] = bias_scale_counts
        words[self._biases - 1] = biases * WORD


class _Edges:
    """The scales of the layers' inputs, or outputs."""

    def __init__(self, data: bytes, places: Places, layout: Layout, tensors: Sequence[int]) -> None:
        numbers = {index: number for number, index in enumerate(layout.activations)}
        self._numbers = np.array([numbers.get(index, 0) for index in tensors], np.intp)
        self._changed = np.array([index in numbers for index in tensors], np.bool_)
        full = []
        for index in tensors:
            scales = places.tensor(index).scales
            if scales.length != 1:
                raise _damaged(index, f"{scales.length} scales where one is wanted")
            full.append(struct.unpack_from("<f", data, scales.at)[0])
        self._full = np.array(full, np.float32)

    def scales(self, codes: RatioCodes) -> NDArray[np.float32]:
        if not len(codes.scales):
            return self._full
        return np.where(self._changed, codes.scales[self._numbers], self._full)


def _words(places: Sequence[int]) -> NDArray[np.intp]:
    return np.array(places, np.intp) // WORD


def _check_layer(layer: Layer, weights: Constant, bias: Constant | None) -> None:
    if weights.dtype.itemsize != 1 or not weights.scales.length:
        raise _damaged(layer.weights, "no int8 weights")
    if bias is None:
        if layer.bias != NO_BIAS:
            raise _damaged(layer.bias, "no values")
        return
    same = bias.scales.length == weights.scales.length
    if weights.scales.length > 1:
        axes = weights.channel_axis, dict(bias.cuts).get(0)
        same = same and bias.shape == (weights.scales.length,) and axes[0] == axes[1]
    if bias.dtype.itemsize != WORD or len(bias.shape) != 1 or not same:
        raise _damaged(layer.bias, f"no int32 bias of the weights {layer.weights}")


def _damaged(index: int, what: str) -> PrunableError:
    return PrunableError(f"tensor {index} has {what}: the file is damaged")
