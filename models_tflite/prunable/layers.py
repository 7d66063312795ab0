"""Scales, biases and signs of one ratio: out of their codes, and into them.

The writer decodes what it has coded, so a device and a packed reference have the same values.
"""

from collections.abc import Sequence
from typing import NamedTuple

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
    negative: NDArray[np.bool_]
    """Channels whose weights are negated, shape of `scales`."""


def decode_layers(codes: RatioCodes, layers: Sequence[LayerScales]) -> list[LayerValues]:
    """Return the values of every layer at a ratio.

    Raises:
        PrunableError: there are fewer codes than channels.
    """
    counts = np.array([(len(s.full), s.biases, len(s.full)) for s in layers], np.int64)
    widths = codes.widths.astype(np.int64)
    packed = np.frombuffer(codes.bits, np.uint8)
    if (counts * widths).sum() > 8 * len(packed):
        raise PrunableError(f"the codes of ratio {codes.name} are cut short: get the file again")
    values = unpack_bits(packed, np.repeat(widths.reshape(-1), counts.reshape(-1)))
    parts = iter(np.split(values, np.cumsum(counts.reshape(-1))[:-1]) if len(layers) else [])
    return [
        _decoded(base, floor, scales, next(parts), next(parts), next(parts))
        for base, floor, scales in zip(codes.bases, codes.floors, layers, strict=True)
    ]


def _decoded(
    base: np.float32,
    floor: np.int32,
    given: LayerScales,
    scale_steps: NDArray[np.int64],
    bias_steps: NDArray[np.int64],
    signs: NDArray[np.int64],
) -> LayerValues:
    with np.errstate(all="ignore"):  # what a damaged file overflows is refused below
        ratio = float(base) * _POWERS[scale_steps]
        scales = (given.full.astype(np.float64) * ratio).astype(np.float32)
        units = bias_units(given.source, scales, given.output)
    if not (np.isfinite(units) & np.isfinite(scales) & (scales > 0) & (units > 0)).all():
        raise PrunableError("a scale of the file is not above 0: it is damaged")
    return LayerValues(scales, biases_of(bias_steps + int(floor), units), signs.astype(np.bool_))


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
    wanted = biases * bias_units(given.source, scales, given.output) ** -1
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
        bits=pack_bits([field for layer in layers for field in layer.bits]),
    )
