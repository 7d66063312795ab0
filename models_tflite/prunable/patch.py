"""Cut a file in place: vectors of a flatbuffer may be shortened where they lie.

A shortened vector has a smaller length prefix; the bytes behind it are dead. So a ratio is a copy
of the file with some numbers overwritten, and no flatbuffer writer is needed.
"""

import struct
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models_tflite.prunable.channels import Axis
from models_tflite.prunable.constants import Constant, Kept, find_constant
from models_tflite.prunable.errors import PrunableError
from models_tflite.prunable.flat import FlatModel
from models_tflite.prunable.layers import LayerScales, LayerValues, decode_layers
from models_tflite.prunable.layout import NO_BIAS, Layer, Layout, RatioCodes
from models_tflite.prunable.places import WORD, Places


class _Edge(NamedTuple):
    """The scale of a layer's input or output."""

    activation: int
    """Position among the activations of the layout, -1 if no ratio changes it."""
    full: np.float32

    def scale(self, codes: RatioCodes) -> np.float32:
        scale: np.float32 = codes.scales[self.activation] if self.activation >= 0 else self.full
        return scale


class _Layer(NamedTuple):
    weights: Constant
    bias: Constant | None
    source: _Edge
    output: _Edge


class PatchPlan:
    """Every place of a file that a ratio overwrites, looked up and checked once."""

    def __init__(self, data: bytes, layout: Layout) -> None:
        """Look up the places.

        Raises:
            PrunableError: a place lies outside the file, is not what the layout takes it for, or
                belongs to two tensors.
        """
        places = Places(data, FlatModel(data), layout)
        self._layout = layout
        lengths = places.lengths()
        self._length_words = _words(at for at, _ in lengths)
        self._length_axes = np.array([axis for _, axis in lengths], np.intp)
        found = [_one_scale(places, index) for index in layout.activations]
        self._scale_words = _words(scale for scale, _ in found)
        self._zero_words = _words(zero for _, zero in found)
        constants = _find_constants(places, layout)
        self._layers = [_find_layer(data, places, layout, constants, x) for x in layout.layers]
        used = {index for layer in layout.layers for index in (layer.weights, layer.bias)}
        self._others = [found for index, found in constants.items() if index not in used]
        places.check_apart()

    def apply(self, data: bytes, codes: RatioCodes) -> bytes:
        """Return the file of a ratio; `data` is the file that the plan was made for.

        Raises:
            PrunableError: there are fewer codes than channels.
            MemoryError: there is no room for the copy.
        """
        layout = self._layout
        work = bytearray(data)
        words = np.frombuffer(work, "<i4", len(work) // WORD)
        lengths = np.array([axis.size(codes.counts) for axis in layout.axes], np.int32)
        words[self._length_words] = lengths[self._length_axes]
        words.view("<f4")[self._scale_words] = codes.scales
        words[self._zero_words] = codes.zero_points
        words[self._zero_words + 1] = codes.zero_points >> 15  # the upper half: 0 or -1
        kept = [_kept(axis, layout.sizes, codes.counts) for axis in layout.axes]
        given = [_given(data, layer, codes, kept, lengths) for layer in self._layers]
        for layer, scales, values in zip(
            self._layers, given, decode_layers(codes, given), strict=True
        ):
            _write_layer(work, data, kept, layer, scales, values)
        for constant in self._others:
            constant.write(work, constant.cut(data, kept), constant.cut_scales(data, kept))
        return bytes(work)


def _words(places: Iterable[int]) -> NDArray[np.intp]:
    return np.array(list(places), np.intp) // WORD


def _kept(axis: Axis, sizes: Sequence[int], counts: Sequence[int]) -> Kept:
    if len(axis.segments) == 1 and axis.tile == 1:
        return slice(0, axis.size(counts))
    return axis.kept(sizes, counts)


def _one_scale(places: Places, index: int) -> tuple[int, int]:
    """Return where the scale and the zero point of an activation lie."""
    tensor = places.tensor(index)
    if tensor.scales.length != 1 or tensor.zero_points.length != 1:
        raise PrunableError(
            f"tensor {index} has {tensor.scales.length} scales, wants one: the file is damaged"
        )
    what = f"the scale of tensor {index}"
    return places.take(tensor.scales, WORD, what).at, places.take(tensor.zero_points, 8, what).at


def _find_constants(places: Places, layout: Layout) -> dict[int, Constant]:
    """Return the constants that are cut or get other values, by tensor."""
    cuts: dict[int, list[tuple[int, int]]] = {}
    for cut in layout.cuts:
        if places.tensor(cut.owner).data.length:
            cuts.setdefault(cut.owner, []).append((cut.position, cut.axis))
    for layer in layout.layers:
        for index in (layer.weights, layer.bias):
            if index != NO_BIAS:
                cuts.setdefault(index, [])
    return {index: find_constant(places, index, own) for index, own in cuts.items()}


def _find_layer(
    data: bytes, places: Places, layout: Layout, constants: dict[int, Constant], layer: Layer
) -> _Layer:
    weights, bias = constants[layer.weights], constants.get(layer.bias)
    _check_layer(layer, weights, bias)
    edges = []
    for index in (layer.source, layer.output):
        scales = places.tensor(index).scales
        if scales.length != 1:
            raise _damaged(index, f"{scales.length} scales where one is wanted")
        position = layout.activations.index(index) if index in layout.activations else -1
        edges.append(_Edge(position, np.float32(struct.unpack_from("<f", data, scales.at)[0])))
    return _Layer(weights, bias, *edges)


def _check_layer(layer: Layer, weights: Constant, bias: Constant | None) -> None:
    if weights.dtype.itemsize != 1 or not weights.scales.length:
        raise _damaged(layer.weights, "no int8 weights")
    if bias is None:
        return
    axis = dict(weights.cuts).get(weights.channel_dimension)
    same = bias.scales.length == weights.scales.length
    if weights.scales.length > 1:
        same = same and bias.shape == (weights.scales.length,) and axis == dict(bias.cuts).get(0)
    if bias.dtype.itemsize != WORD or len(bias.shape) != 1 or not same:
        raise _damaged(layer.bias, f"no int32 bias of the weights {layer.weights}")


def _damaged(index: int, what: str) -> PrunableError:
    return PrunableError(f"tensor {index} has {what}: the file is damaged")


def _given(
    data: bytes,
    layer: _Layer,
    codes: RatioCodes,
    kept: Sequence[Kept],
    lengths: NDArray[np.int32],
) -> LayerScales:
    bias = layer.bias
    count = 0 if bias is None else int(lengths[bias.cuts[0][1]] if bias.cuts else bias.shape[0])
    return LayerScales(
        full=layer.weights.cut_scales(data, kept),
        source=layer.source.scale(codes),
        output=layer.output.scale(codes),
        biases=count,
    )


def _write_layer(
    work: bytearray,
    data: bytes,
    kept: Sequence[Kept],
    layer: _Layer,
    given: LayerScales,
    values: LayerValues,
) -> None:
    weights = layer.weights.cut(data, kept)
    if values.negative is not None:
        along = [1] * weights.ndim
        along[layer.weights.channel_dimension] = len(values.negative)
        weights = np.where(values.negative.reshape(along), -weights, weights)
    layer.weights.write(work, weights, values.scales)
    if layer.bias is not None:
        layer.bias.write(work, values.biases, given.source * values.scales)
