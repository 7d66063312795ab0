"""Compact numbers: scales of channels and biases, to a fixed accuracy in as few bits as it takes.

Decoding uses nothing but additions, multiplications and roundings of IEEE 754 doubles, so every
processor decodes the same bits.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

GROWTH = 1 + 2**-7
"""One step of a scale code. A scale is met within half of it: 0.4 %, at most half an output step at
the far end of an int8 range."""
BIAS_STEP = 0.25
"""One step of a bias code, in steps of the layer's output: a bias is met within 1/8 of a step,
whose own rounding is 1/2."""
MOST_BITS = 24
"""A code spans at most this many bits: with the seven before it in its byte, 31."""
_WORD = 4
SCALE_BITS = 12
"""A scale code spans at most this many bits: scales of one tensor may differ by a factor of 7e13
against the full width."""


def growth_table(bits: int) -> NDArray[np.float64]:
    """Return GROWTH to the powers 0 to 2**bits - 1, by repeated multiplication."""
    table = np.full(1 << bits, GROWTH)
    table[0] = 1.0
    return np.multiply.accumulate(table)


def scale_codes(ratios: NDArray[np.float64]) -> tuple[np.float32, NDArray[np.int64]]:
    """Return the least of some positive ratios, and the steps of each above it."""
    base = np.float32(ratios.min())
    codes = np.rint(np.log(ratios / float(base)) / np.log(GROWTH))
    return base, np.maximum(codes, 0).astype(np.int64)


def bias_units(
    source: NDArray[np.float32] | np.float32,
    weights: NDArray[np.float32],
    output: NDArray[np.float32] | np.float32,
) -> NDArray[np.float64]:
    """Return what one step of a bias code is worth in units of the int32 bias, per channel.

    Args:
        source: scale of the layer's input.
        weights: scales of its weights.
        output: scale of its output.
    """
    product = source.astype(np.float64) * weights.astype(np.float64)
    units: NDArray[np.float64] = BIAS_STEP * output.astype(np.float64) / product
    return units


def biases_of(codes: NDArray[np.int64], units: NDArray[np.float64]) -> NDArray[np.int32]:
    """Return int32 biases; what does not fit is clipped, and saturates the output anyway."""
    limits = np.iinfo(np.int32)
    biases: NDArray[np.float64] = np.clip(np.rint(codes * units), limits.min, limits.max)
    return biases.astype(np.int32)


def width_of(codes: NDArray[np.int64]) -> int:
    """Return the bits that the largest of some codes from 0 up takes."""
    return int(codes.max(initial=0)).bit_length()


def pack_bits(fields: Sequence[tuple[NDArray[np.int64], int]]) -> bytes:
    """Return codes one after another, most significant bit first, each of its field's width."""
    bits = [
        ((codes[:, None] >> np.arange(width)[::-1]) & 1).astype(np.uint8).reshape(-1)
        for codes, width in fields
    ]
    return np.packbits(np.concatenate([np.zeros(0, np.uint8), *bits])).tobytes()


def unpack_bits(packed: NDArray[np.uint8], widths: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """Return the codes of the given widths, each at most `MOST_BITS`.

    Args:
        packed: what `pack_bits` wrote, at least as long.
        widths: bits of each code, shape [n].
    """
    starts = np.cumsum(widths, dtype=np.int64)
    starts -= widths
    padded = np.concatenate([packed, np.zeros(_WORD, np.uint8)])
    # The big-endian word that begins at each byte: no two of them are apart by a whole word.
    words = np.ndarray(len(packed) + 1, ">u4", padded, strides=(1,)).astype(np.uint32)
    codes: NDArray[np.uint32] = words.take(starts >> 3)
    codes <<= (starts & 7).astype(np.uint32)
    # NumPy makes nothing of a word that is shifted out whole.
    codes >>= np.uint32(8 * _WORD) - widths.astype(np.uint32)
    return codes
