"""Scales, biases and signs of one ratio: out of their codes, and into them.

The writer decodes what it has coded, so a device and a packed reference have the same values.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models_tflite.prunable.coding import (
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
from models_tflite.prunable.errors import PrunableError, RatioParametersError
from models_tflite.prunable.layout import RatioCodes

_POWERS = growth_table(SCALE_BITS)


class LayerScales(NamedTuple):
    """What the codes of a layer are relative to."""

    full: NDArray[np.float32]
    """Scales of its weights at full width, those that stay: shape [1] or [channels kept]."""
    source: np.float32
    """Scale of its input at this ratio."""
    output: np.float32
    """Scale of its output at this ratio."""
    biases: int
    """Biases that stay, 0 without any."""


class LayerValues(NamedTuple):
    """What a layer has at a ratio."""

    scales: NDArray[np.float32]
    """Of its weights, shape [1] or [channels kept]."""
    biases: NDArray[np.int32]
    """Shape [biases kept]."""
    negative: NDArray[np.bool_] | None
    """Channels whose weights are negated, shape of `scales`; None where none are."""


def decode_layers(codes: RatioCodes, layers: Sequence[LayerScales]) -> list[LayerValues]:
    """Return the values of every layer at a ratio.

    Raises:
        PrunableError: there are fewer codes than channels, or one makes no sense.
    """
    if not layers:
        return []
    scale_counts = np.array([len(layer.full) for layer in layers])
    bias_counts = np.array([layer.biases for layer in layers])
    steps, above, negative = _unpack(codes, scale_counts, bias_counts)
    with np.errstate(all="ignore"):  # what a damaged file overflows is refused below
        ratios = np.repeat(codes.bases.astype(np.float64), scale_counts) * _POWERS[steps]
        full = np.concatenate([layer.full for layer in layers]).astype(np.float64)
        scales = (full * ratios).astype(np.float32)
        # Scale of each bias's channel: its own, or the one of a layer that has one for all.
        starts = np.cumsum(scale_counts) - scale_counts
        within = _counted(bias_counts) * np.repeat(scale_counts > 1, bias_counts)
        units = bias_units(
            np.repeat(np.array([layer.source for layer in layers]), bias_counts),
            scales[np.repeat(starts, bias_counts) + within],
            np.repeat(np.array([layer.output for layer in layers]), bias_counts),
        )
    if not (np.isfinite(units).all() and np.isfinite(scales).all() and (scales > 0).all()):
        raise PrunableError("a scale of the file is not above 0: it is damaged")
    biases = biases_of(above + np.repeat(codes.floors.astype(np.int64), bias_counts), units)
    return [
        LayerValues(own, bias, signs if has_signs else None)
        for own, bias, signs, has_signs in zip(
            _split(scales, scale_counts),
            _split(biases, bias_counts),
            _split(negative, scale_counts),
            codes.widths[:, 2].tolist(),
            strict=True,
        )
    ]


def _unpack(
    codes: RatioCodes, scales: NDArray[np.int64], biases: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Return scale codes, bias codes and signs of all layers in a row."""
    counts = (scales, biases, scales)
    fields = zip(codes.widths.astype(np.int64).T, counts, strict=True)
    widths = np.concatenate([np.repeat(width, count) for width, count in fields])
    packed = np.frombuffer(codes.bits, np.uint8)
    if widths.sum() > 8 * len(packed):
        raise PrunableError(f"the codes of ratio {codes.name} are cut short: get the file again")
    values = unpack_bits(packed, widths)
    first, second = int(scales.sum()), int(scales.sum() + biases.sum())
    return values[:first], values[first:second], values[second:].astype(np.bool_)


def _counted(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return 0, 1, ... for each count in a row."""
    starts = np.cumsum(counts) - counts
    positions: NDArray[np.int64] = np.arange(counts.sum()) - np.repeat(starts, counts)
    return positions


def _split(values: NDArray[Any], counts: NDArray[np.int64]) -> list[NDArray[Any]]:
    ends = np.cumsum(counts).tolist()
    return [values[end - n : end] for end, n in zip(ends, counts.tolist(), strict=True)]


class LayerCodes(NamedTuple):
    """One layer of a ratio, coded."""

    base: np.float32
    floor: int
    widths: tuple[int, int, int]
    bits: tuple[tuple[NDArray[np.int64], int], ...]


def encode_layer(
    name: str,
    given: LayerScales,
    scales: NDArray[np.float32],
    biases: NDArray[np.int32],
    negative: NDArray[np.bool_],
) -> LayerCodes:
    """Code the values of a layer.

    Args:
        name: of its weights, for messages.
        given: what the codes are relative to.
        scales: wanted scales of its weights, shape of `given.full`.
        biases: in units of input scale times `scales`, shape [given.biases].
        negative: shape of `given.full`.

    Raises:
        RatioParametersError: scales or biases spread too wide for any code.
    """
    base, steps = scale_codes(scales.astype(np.float64) / given.full.astype(np.float64))
    if width_of(steps) > SCALE_BITS:
        raise RatioParametersError(
            f"the scales of {name} differ by a factor of {float(_POWERS[-1]):.0e} and more against "
            "the full width: take them from weights without the batch normalisation folded in"
        )
    units = bias_units(np.asarray(given.source), scales, np.asarray(given.output))
    wanted = biases / units
    reach = np.iinfo(np.int32).max
    levels = np.rint(np.clip(wanted, -reach, reach)).astype(np.int64)
    floor = int(levels.min(initial=0 if not len(levels) else reach))
    above = levels - floor
    if width_of(above) > MOST_BITS:
        raise RatioParametersError(
            f"the biases of {name} reach over {above.max() / 4:.0f} steps of its output: its "
            "output scale is not that of this ratio"
        )
    signs = negative.astype(np.int64)
    widths = width_of(steps), width_of(above), width_of(signs)
    fields = tuple(zip((steps, above, signs), widths, strict=True))
    return LayerCodes(base, floor, widths, fields)


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
