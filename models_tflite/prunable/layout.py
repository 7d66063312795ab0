"""What a prunable file says of itself: where its tensors are cut, and by how much per ratio.

Indices are those of the file. FORMAT.md has the bytes.
"""

import re
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge_infer.models_tflite.prunable.channels import Axis

METADATA_NAME = "edge_infer.prunable"
"""Name of the metadata entry."""
VERSION = 1
NO_BIAS = 0xFFFF
RATIO_NAME = re.compile(r"0\.[0-9]*[1-9]")
"""Decimal text below 1, one way to write each."""


class Cut(NamedTuple):
    """One dimension that gets shorter, or one number that says a length."""

    owner: int
    """Tensor, or operator for a RESHAPE's own shape."""
    position: int
    """Dimension, or element."""
    axis: int
    """Index of the axis that gives the length."""


class Layer(NamedTuple):
    """One operator whose scales and biases differ per ratio; all are tensors."""

    weights: int
    bias: int
    """`NO_BIAS` without one."""
    source: int
    output: int


@dataclass(frozen=True)
class Layout:
    """What all ratios of a file share."""

    sizes: tuple[int, ...]
    """Channels of each group at full width."""
    axes: tuple[Axis, ...]
    cuts: tuple[Cut, ...]
    """Of tensors."""
    shape_constants: tuple[Cut, ...]
    """Elements of int32 constants."""
    reshapes: tuple[Cut, ...]
    """Elements of RESHAPE options."""
    activations: tuple[int, ...]
    """Tensors with one scale, which differs per ratio."""
    layers: tuple[Layer, ...]


@dataclass(frozen=True, eq=False)
class RatioCodes:
    """One ratio, coded."""

    name: str
    counts: tuple[int, ...]
    """Channels kept of each group."""
    scales: NDArray[np.float32]
    """Of the activations, shape [activations]."""
    zero_points: NDArray[np.int16]
    """Of the activations, shape [activations]."""
    bases: NDArray[np.float32]
    """Least ratio of a weight scale to the full width's, shape [layers]."""
    floors: NDArray[np.int32]
    """Least bias code, shape [layers]."""
    widths: NDArray[np.uint8]
    """Bits of a scale code, of a bias code less the floor, and of a sign, shape [layers, 3]."""
    bits: bytes
    """The scale codes of all layers, then all bias codes, then all signs."""
