"""The layers of a file whose values differ per ratio, as arrays: one scatter writes them all."""

import struct
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from edge_infer.models_tflite.errors import PrunableError
from edge_infer.models_tflite.prunable.layers import LayerScales, LayerValues, Rows, decode_layers
from edge_infer.models_tflite.prunable.layout import NO_BIAS, Layer, Layout, RatioCodes
from edge_infer.models_tflite.prunable.places import WORD, Constant, Kept, Places

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
        found = [bias for bias in biases if bias is not None]
        self._has_bias = np.array([bias is not None for bias in biases], np.bool_)
        self._channels = _Counts(
            [weights.scales.length for weights in self.weights],
            [weights.channel_axis for weights in self.weights],
        )
        self._bias_channels = _Counts(
            [0 if bias is None else bias.shape[0] for bias in biases],
            [None if bias is None else dict(bias.cuts).get(0) for bias in biases],
        )
        # A layer without a bias has no rows there: its place is never used.
        self._biases = _words([0 if bias is None else bias.data.at for bias in biases])
        self._scales = _words([weights.scales.at for weights in self.weights])
        self._bias_scales = _words([0 if bias is None else bias.scales.at for bias in biases])
        vectors = [(weights.scales, weights.zero_points) for weights in self.weights]
        self._lengths = _words([v.at for pair in vectors for v in pair]) - 1
        vectors = [(bias.scales, bias.zero_points) for bias in found]
        self._bias_lengths = _words([v.at for pair in vectors for v in pair]) - 1
        self._bias_bytes = _words([bias.data.at for bias in found]) - 1
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
        rows = Rows(self._channels.at(lengths))
        bias_rows = Rows(self._bias_channels.at(lengths))
        places = self._scales.take(rows.layer) + rows.within
        given = LayerScales(
            full=self._full(words, rows, places, kept),
            scale_rows=rows,
            bias_rows=bias_rows,
            sources=self._sources.scales(codes),
            outputs=self._outputs.scales(codes),
        )
        values = decode_layers(codes, given)
        words[places] = values.scales.view(np.int32)
        self._write_biases(words, values, rows, bias_rows)
        # The lengths before the vectors; the zero points behind them stay: all are 0.
        words[self._lengths] = rows.counts.repeat(2)
        return self._signs(values, rows, codes)

    def _full(
        self, words: Words, rows: Rows, places: NDArray[np.int64], kept: Sequence[Kept]
    ) -> NDArray[np.float32]:
        """Return the full width's scales of the channels that stay, in a row."""
        for layer, axis in self._channels.cut:
            own = kept[axis]
            if not isinstance(own, slice):
                places = places.copy()
                places[rows.starts[layer] : rows.ends[layer]] = self._scales[layer] + own
        return words.take(places).view(np.float32)

    def _write_biases(self, words: Words, values: LayerValues, rows: Rows, bias_rows: Rows) -> None:
        own = self._has_bias.take(rows.layer)
        places = self._bias_scales.take(rows.layer) + rows.within
        words[places[own]] = values.bias_scales[own].view(np.int32)
        words[self._biases.take(bias_rows.layer) + bias_rows.within] = values.biases
        words[self._bias_lengths] = rows.counts[self._has_bias].repeat(2)
        words[self._bias_bytes] = bias_rows.counts[self._has_bias] * WORD

    def _signs(
        self, values: LayerValues, rows: Rows, codes: RatioCodes
    ) -> list[NDArray[np.int8] | None]:
        signed = codes.widths[:, 2].tolist()
        if not any(signed):
            return [None] * len(signed)
        signs = (1 - 2 * values.negative.astype(np.int8)).astype(np.int8)
        ends = rows.ends.tolist()
        return [
            signs[start:end] if own else None
            for start, end, own in zip(rows.starts.tolist(), ends, signed, strict=True)
        ]


class _Counts:
    """How many channels each layer keeps.

    Args:
        full: at full width.
        axes: index of the axis that cuts them, None where none does.
    """

    def __init__(self, full: Sequence[int], axes: Sequence[int | None]) -> None:
        self._full = np.array(full, np.int64)
        self.cut = [(layer, axis) for layer, axis in enumerate(axes) if axis is not None]
        """Layers that are cut, and their axes."""
        self._layers = np.array([layer for layer, _ in self.cut], np.intp)
        self._axes = np.array([axis for _, axis in self.cut], np.intp)

    def at(self, lengths: Words) -> NDArray[np.int64]:
        """Return the counts, shape [layers], where axes have these lengths."""
        counts = self._full.copy()
        counts[self._layers] = lengths[self._axes]
        return counts


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
