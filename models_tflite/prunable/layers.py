"""Scales, biases and signs of one ratio: out of their codes, and into them.

The writer decodes what it has coded, so a device and a packed reference have the same values.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge_infer.models_tflite.errors import PrunableError, RatioParametersError
from edge_infer.models_tflite.prunable.coding import (
    BIAS_STEP,
    MOST_BITS,
    SCALE_BITS,
    bias_units,
    biases_of,
    growth_table,
    pack_bits,
    scale_codes,
    unpack_bits,
    width_of,
)
from edge_infer.models_tflite.prunable.layout import RatioCodes

_POWERS = growth_table(SCALE_BITS)
_LEAST_SCALE = float(np.finfo(np.float32).tiny)


class Rows:
    """The channels of several layers, all in a row: which layer each is of, and its number there.

    Args:
        counts: rows of each layer, shape [layers].
    """

    def __init__(self, counts: NDArray[np.int64]) -> None:
        self.counts = counts
        self.ends: NDArray[np.int64] = counts.cumsum()
        """Of each layer, shape [layers]."""
        self.starts = self.ends - counts
        self.layer: NDArray[np.intp] = np.arange(len(counts)).repeat(counts)
        """Shape [rows]."""
        self.within: NDArray[np.int64] = np.arange(len(self.layer)) - self.starts.take(self.layer)
        """0, 1, ... in each layer, shape [rows]."""


class LayerScales(NamedTuple):
    """What the codes of a ratio are relative to, all layers in a row."""

    full: NDArray[np.float32]
    """Scales of the weights at full width, those that stay: one, or one per channel, a layer."""
    scale_rows: Rows
    """Of these."""
    bias_rows: Rows
    """Of the biases that stay."""
    sources: NDArray[np.float32]
    """Scale of each layer's input at this ratio, shape [layers]."""
    outputs: NDArray[np.float32]
    """Scale of each layer's output at this ratio, shape [layers]."""


class LayerValues(NamedTuple):
    """What the layers have at a ratio, all in a row."""

    scales: NDArray[np.float32]
    """Of the weights, shape of `LayerScales.full`."""
    bias_scales: NDArray[np.float32]
    """Of the biases, likewise: one per weight scale."""
    biases: NDArray[np.int32]
    """Shape [rows of the biases]."""
    negative: NDArray[np.bool_]
    """Channels whose weights are negated, shape of `scales`."""


def decode_layers(codes: RatioCodes, given: LayerScales) -> LayerValues:
    """Return the values of every layer at a ratio.

    Raises:
        PrunableError: there are fewer codes than channels, or one makes no sense.
    """
    rows, bias_rows = given.scale_rows, given.bias_rows
    steps, above, negative = _unpack(codes, rows, bias_rows)
    with np.errstate(all="ignore"):  # what a damaged file overflows is refused below
        ratios = codes.bases.astype(np.float64).take(rows.layer) * _POWERS.take(steps)
        scales = (given.full.astype(np.float64) * ratios).astype(np.float32)
        bias_scales = given.sources.take(rows.layer) * scales
        # Scale of each bias's channel: its own, or the one of a layer that has one for all.
        several = (rows.counts > 1).take(bias_rows.layer)
        channels = rows.starts.take(bias_rows.layer) + bias_rows.within * several
        units = bias_units(
            given.sources.take(bias_rows.layer),
            scales.take(channels),
            given.outputs.take(bias_rows.layer),
        )
    if not (np.isfinite(units).all() and np.isfinite(bias_scales).all() and (scales > 0).all()):
        raise PrunableError("a scale of the file is not above 0: it is damaged")
    floors = codes.floors.astype(np.int64).take(bias_rows.layer)
    biases = biases_of(above.astype(np.int64) + floors, units)
    return LayerValues(scales, bias_scales, biases, negative)


def _unpack(
    codes: RatioCodes, rows: Rows, bias_rows: Rows
) -> tuple[NDArray[np.uint32], NDArray[np.uint32], NDArray[np.bool_]]:
    """Return scale codes, bias codes and signs of all layers in a row."""
    of_scales, of_biases, of_signs = codes.widths.T
    widths = [of_scales.take(rows.layer), of_biases.take(bias_rows.layer)]
    signed = of_signs.any()
    if signed:
        widths.append(of_signs.take(rows.layer))
    joined = np.concatenate(widths)
    packed = np.frombuffer(codes.bits, np.uint8)
    if joined.sum() > 8 * len(packed):
        raise PrunableError(f"the codes of ratio {codes.name} are cut short: get the file again")
    values = unpack_bits(packed, joined)
    first, second = len(rows.layer), len(rows.layer) + len(bias_rows.layer)
    signs = values[second:] if signed else np.zeros(first, np.uint32)
    return values[:first], values[first:second], signs.astype(np.bool_)


class LayerCodes(NamedTuple):
    """One layer of a ratio, coded."""

    base: np.float32
    floor: int
    widths: tuple[int, int, int]
    bits: tuple[tuple[NDArray[np.int64], int], ...]


def encode_layer(
    name: str,
    full: NDArray[np.float32],
    scales: NDArray[np.float32],
    biases: NDArray[np.int32],
    negative: NDArray[np.bool_],
    edges: tuple[np.float32, np.float32],
) -> LayerCodes:
    """Code the values of a layer.

    Args:
        name: of its weights, for messages.
        full: scales of its weights at full width, those that stay.
        scales: wanted scales of its weights, shape of `full`.
        biases: in units of input scale times `scales`, none or one per channel.
        negative: shape of `full`.
        edges: scales of its input and its output at this ratio.

    Raises:
        RatioParametersError: scales or biases spread too wide for any code.
    """
    ratios = scales.astype(np.float64) / full.astype(np.float64)
    if not _LEAST_SCALE <= ratios.min() <= 1 / _LEAST_SCALE:
        raise RatioParametersError(f"the scales of {name} are not those of its full width")
    base, steps = scale_codes(ratios)
    if width_of(steps) > SCALE_BITS:
        raise RatioParametersError(
            f"the scales of {name} differ by a factor of {float(_POWERS[-1]):.0e} and more against "
            "the full width: take them from weights without the batch normalisation folded in"
        )
    above, floor = _bias_codes(biases, bias_units(edges[0], scales, edges[1]))
    if width_of(above) > MOST_BITS:
        raise RatioParametersError(
            f"the biases of {name} reach over {above.max() * BIAS_STEP:.0f} steps of its output: "
            "its output scale is not that of this ratio"
        )
    signs = negative.astype(np.int64)
    widths = width_of(steps), width_of(above), width_of(signs)
    fields = tuple(zip((steps, above, signs), widths, strict=True))
    return LayerCodes(base, floor, widths, fields)


def _bias_codes(
    biases: NDArray[np.int32], units: NDArray[np.float64]
) -> tuple[NDArray[np.int64], int]:
    """Return bias codes above the least of them, and that."""
    if not len(biases):
        return np.zeros(0, np.int64), 0
    reach = np.iinfo(np.int32).max
    levels = np.rint(np.clip(biases / units, -reach, reach)).astype(np.int64)
    return levels - levels.min(), int(levels.min())


def join_layers(
    name: str,
    counts: tuple[int, ...],
    scales: NDArray[np.float32],
    zero_points: NDArray[np.int16],
    layers: Sequence[LayerCodes],
) -> RatioCodes:
    """Return the codes of a ratio from those of its activations and layers."""
    return RatioCodes(
        name=name,
        counts=counts,
        scales=scales,
        zero_points=zero_points,
        bases=np.array([layer.base for layer in layers], np.float32),
        floors=np.array([layer.floor for layer in layers], np.int32),
        widths=np.array([layer.widths for layer in layers], np.uint8).reshape(-1, 3),
        bits=pack_bits([layer.bits[kind] for kind in range(3) for layer in layers]),
    )
