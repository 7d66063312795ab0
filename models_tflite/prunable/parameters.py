"""What training hands over for one pruning ratio of one model."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class RatioParameters:
    """One ratio of a whole model with all its exits; tensors that a stage lacks are passed over.

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
