"""Cut a file in place: vectors of a flatbuffer may be shortened where they lie.

A shortened vector has a smaller length prefix; the bytes behind it are dead. So a ratio is a copy
of the file with some numbers overwritten, and no flatbuffer writer is needed.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from edge_infer.models_tflite.prunable.channels import Axis
from edge_infer.models_tflite.prunable.constants import Constant, Copy, Kept, Source, find_constant
from edge_infer.models_tflite.prunable.errors import PrunableError
from edge_infer.models_tflite.prunable.flat import FlatModel
from edge_infer.models_tflite.prunable.layer_table import LayerTable
from edge_infer.models_tflite.prunable.layout import NO_BIAS, Layout, RatioCodes
from edge_infer.models_tflite.prunable.places import WORD, Places


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
        self._layers = LayerTable(data, places, layout, constants)
        # The table writes scales of weights, scales and values of biases.
        written = {index for layer in layout.layers for index in (layer.weights, layer.bias)}
        self._others = [found for index, found in constants.items() if index not in written]
        places.check_apart()

    def apply(self, file: Source, copy: Copy, codes: RatioCodes) -> None:
        """Make a copy of the file that the plan was made for into that of a ratio.

        Args:
            file: the full width.
            copy: the same in other memory, to be changed.
            codes: of the ratio.

        Raises:
            PrunableError: there are fewer codes than channels, or one makes no sense.
        """
        layout = self._layout
        words = np.frombuffer(copy, "<i4", len(copy) // WORD)
        lengths = np.array([axis.size(codes.counts) for axis in layout.axes], np.int32)
        words[self._length_words] = lengths[self._length_axes]
        words.view("<f4")[self._scale_words] = codes.scales
        words[self._zero_words] = codes.zero_points
        words[self._zero_words + 1] = codes.zero_points >> 15  # the upper half: 0 or -1
        kept = [_kept(axis, layout.sizes, codes.counts) for axis in layout.axes]
        signs = self._layers.write(words, codes, kept, lengths)
        for weights, own in zip(self._layers.weights, signs, strict=True):
            weights.cut(file, copy, kept, own)
        for constant in self._others:
            constant.cut(file, copy, kept)
            constant.cut_scales(file, copy, kept)


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
        cuts.setdefault(layer.weights, [])
        if layer.bias != NO_BIAS:
            cuts.setdefault(layer.bias, [])
    return {index: find_constant(places, index, own) for index, own in cuts.items()}
