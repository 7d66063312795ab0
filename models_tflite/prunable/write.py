"""Write prunable files. Being built: signatures are settled, bodies come next."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from models_tflite.cut import CutStage
from models_tflite.prunable.channels import ChannelGroups
from models_tflite.prunable.parameters import RatioParameters


def sort_channels(
    model: bytes, order: Mapping[str, NDArray[np.intp]], channels: ChannelGroups | None = None
) -> bytes:
    """Return the model with the channels of groups in another order; its answers stay.

    Args:
        model: a whole net.
        order: by group key, the old position of each new channel: a permutation.
        channels: of the model, if known already.
    """
    raise NotImplementedError


def write_prunable(
    model: bytes, ratios: Sequence[RatioParameters], channels: ChannelGroups | None = None
) -> bytes:
    """Return the model with one more metadata buffer, from which every ratio can be made.

    Args:
        model: full-width .tflite file, channels sorted.
        ratios: all but the full width.
        channels: of the whole model, where `model` is a stage that was cut from it.
    """
    raise NotImplementedError


def prunable_stages(
    model: bytes, exits: Sequence[str], ratios: Sequence[RatioParameters]
) -> list[CutStage]:
    """Cut a model at its exits (as `cut` does) and make every stage prunable."""
    raise NotImplementedError


def pack_ratio(
    model: bytes, parameters: RatioParameters, channels: ChannelGroups | None = None
) -> bytes:
    """Return the sub-net of one ratio as its own small file: what `materialise` must equal.

    Values pass through the file's coding, so that both are equal bit by bit.
    """
    raise NotImplementedError
