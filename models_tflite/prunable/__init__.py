"""Prunable weight sets: one full-width .tflite file that stands for several pruning ratios.

Where they are made (needs the TFLite schema):

    groups = follow_channels(model)
    model = sort_channels(model, {group.key: order, ...})   # most needed first
    file = write_prunable(model, [RatioParameters("0.75", keep, ...), ...])

On a device (numpy alone):

    smaller = PrunableModel.open(path).materialise("0.75")

The format is described in FORMAT.md.
"""

from typing import TYPE_CHECKING

from edge_infer.lazy import exports

if TYPE_CHECKING:
    from edge_infer.models_tflite.errors import (
        PrunableError,
        RatioParametersError,
        UnknownRatioError,
    )
    from edge_infer.models_tflite.prunable.channels import (
        Axis,
        ChannelGroups,
        Group,
        RatioParameters,
        Segment,
    )
    from edge_infer.models_tflite.prunable.follow import follow_channels, own_constants
    from edge_infer.models_tflite.prunable.model import PrunableModel
    from edge_infer.models_tflite.prunable.sorting import sort_channels
    from edge_infer.models_tflite.prunable.write import pack_ratio, prunable_stages, write_prunable

__all__ = [
    "own_constants",
    "follow_channels",
    "ChannelGroups",
    "Group",
    "Axis",
    "Segment",
    "sort_channels",
    "RatioParameters",
    "write_prunable",
    "prunable_stages",
    "pack_ratio",
    "PrunableModel",
    "PrunableError",
    "UnknownRatioError",
    "RatioParametersError",
]

if not TYPE_CHECKING:  # so that type checkers find a name that is not there
    __getattr__, __dir__ = exports(
        __name__,
        {
            "edge_infer.models_tflite.errors": (
                "PrunableError RatioParametersError UnknownRatioError"
            ),
            "edge_infer.models_tflite.prunable.channels": (
                "Axis ChannelGroups Group RatioParameters Segment"
            ),
            "edge_infer.models_tflite.prunable.follow": "follow_channels own_constants",
            "edge_infer.models_tflite.prunable.model": "PrunableModel",
            "edge_infer.models_tflite.prunable.sorting": "sort_channels",
            "edge_infer.models_tflite.prunable.write": "pack_ratio prunable_stages write_prunable",
        },
    )
