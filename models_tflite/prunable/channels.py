"""Groups of channels that must be kept or dropped together, and what a ratio makes of them.

A group is cut to a prefix: a full-width file has its channels sorted, the least needed last.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

ENDS = ("the model's input", "the model's output")
"""Why the first and the last channels of every model are kept."""


@dataclass(frozen=True, slots=True)
class Group:
    """Channels that one count per ratio cuts, wherever they appear."""

    key: str
    """Name of the first constant that makes them, in graph order: the weights of a convolution, of
    the first branch of a residual sum. Stages that are cut from one model keep the names, so one
    key means the same channels in all of them. With `[first:last]` where it makes several groups.
    """
    size: int
    """Channels at full width."""
    frozen: str = ""
    """Why they are always kept, empty if they are not: the operator that needs them all."""


class Segment(NamedTuple):
    """Every channel of a group, each `repeat` times in a row (a depthwise multiplier)."""

    group: int
    repeat: int = 1


@dataclass(frozen=True, slots=True)
class Axis:
    """The channels along one dimension of a tensor: segments in a row (a concatenation)."""

    segments: tuple[Segment, ...]
    tile: int = 1
    """Times that the row of segments stands there: once per pixel of a flattened map."""

    def size(self, counts: Sequence[int]) -> int:
        """Return the length of the dimension where group i has `counts[i]` channels."""
        return self.tile * sum(counts[group] * repeat for group, repeat in self.segments)

    def kept(self, sizes: Sequence[int], counts: Sequence[int]) -> NDArray[np.intp]:
        """Return the positions that stay of a dimension, ascending.

        Args:
            sizes: channels of each group in the tensor.
            counts: channels to keep of each group, from its first.
        """
        parts, start = [], 0
        for group, repeat in self.segments:
            parts.append(np.arange(start, start + counts[group] * repeat))
            start += sizes[group] * repeat
        row = np.concatenate(parts)
        tiled: NDArray[np.intp] = row + start * np.arange(self.tile)[:, None]
        return tiled.reshape(-1)


@dataclass(frozen=True)
class ChannelGroups:
    """The channels of a model: groups, and every place that changes when they are cut.

    Constants are named as `own_constants` names them.
    """

    groups: tuple[Group, ...]
    axes: Mapping[tuple[str, int], Axis]
    """By tensor name and dimension."""
    shape_constants: Mapping[tuple[str, int], Axis]
    """By name and element of an int32 constant: that element is the length of a dimension."""
    reshapes: Mapping[tuple[str, int], Axis]
    """By output name of a RESHAPE and element of its own new_shape: likewise."""

    @property
    def sizes(self) -> tuple[int, ...]:
        """Channels of each group at full width."""
        return tuple(group.size for group in self.groups)

    @property
    def open(self) -> tuple[Group, ...]:
        """The groups that can be cut."""
        return tuple(group for group in self.groups if not group.frozen)

    @property
    def frozen(self) -> tuple[Group, ...]:
        """The groups that an operator needs whole; the model's inputs and outputs are not named."""
        return tuple(group for group in self.groups if group.frozen not in ("", *ENDS))

    def counts(self, keep: Mapping[str, int]) -> tuple[int, ...]:
        """Return the channels of each group; what `keep` does not name stays whole."""
        return tuple(keep.get(group.key, group.size) for group in self.groups)


@dataclass(frozen=True, eq=False)
class RatioParameters:
    """What training hands over for one ratio of a whole model with all its exits.

    A stage that was cut from it passes over the tensors that it lacks.

    Tensors are named as `own_constants(model)` names them. Arrays have the length that the tensor's
    channel dimension has after pruning, or 1 where it has one scale.
    """

    name: str
    """Decimal text as the manifest writes ratios: "0.75"."""
    keep: Mapping[str, int]
    """Channels kept of each group, by its key: the first ones. A group left out stays whole."""
    quantisation: Mapping[
        str, tuple[NDArray[np.float32], NDArray[np.int64]]
    ] = field(default_factory=dict)  # fmt: skip
    """Scales and zero points of activations and weights of the sub-net, by tensor; a tensor left
    out keeps those of the full width. Scales of biases follow from these two and are not given."""
    signs: Mapping[str, NDArray[np.int8]] = field(default_factory=dict)
    """-1 for output channels whose weights are negated, else +1, by weights tensor."""
    biases: Mapping[str, NDArray[np.int32]] = field(default_factory=dict)
    """In units of input scale times weight scale of the sub-net, by bias tensor."""
