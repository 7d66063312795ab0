"""Put channels into another order: the answers of a model stay, its prefixes change."""

import copy
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from edge_infer.models_tflite.errors import RatioParametersError
from edge_infer.models_tflite.flatbuffer import pack
from edge_infer.models_tflite.graph import Graph
from edge_infer.models_tflite.prunable.channels import Axis, ChannelGroups
from edge_infer.models_tflite.prunable.follow import follow_channels, own_constants
from edge_infer.models_tflite.prunable.write import cut_constant


def sort_channels(
    model: bytes, order: Mapping[str, NDArray[np.intp]], channels: ChannelGroups | None = None
) -> bytes:
    """Return a model with the channels of groups in another order.

    Args:
        model: a whole net.
        order: by group key, the old position of each new channel: a permutation. Groups left out
            stay as they are.
        channels: of the model, if known already.

    Raises:
        RatioParametersError: a group is unknown or frozen, or its order is no permutation.
    """
    channels = channels or follow_channels(model)
    orders = [np.arange(group.size) for group in channels.groups]
    for key, wanted in order.items():
        found = [i for i, group in enumerate(channels.groups) if group.key == key]
        if not found or channels.groups[found[0]].frozen:
            raise RatioParametersError(f"no group {key!r} whose channels could be sorted")
        if sorted(wanted) != list(range(channels.groups[found[0]].size)):
            raise RatioParametersError(f"the order of {key} is no permutation of its channels")
        orders[found[0]] = np.asarray(wanted)
    graph = Graph(own_constants(model))
    tree = copy.deepcopy(graph.tree)
    tensors = {tensor.name: tensor for tensor in graph.tensors}
    for (name, dimension), axis in channels.axes.items():
        raw = tree.subgraphs[0].tensors[tensors[name].index]
        cut_constant(tree, raw, dimension, _moved(axis, orders))
    return pack(tree)


def _moved(axis: Axis, orders: list[NDArray[np.intp]]) -> NDArray[np.intp]:
    """Return the old position of each new one along an axis."""
    parts, start = [], 0
    for group, repeat in axis.segments:
        moved = orders[group][:, None] * repeat + np.arange(repeat)
        parts.append(start + moved.reshape(-1))
        start += len(orders[group]) * repeat
    row = np.concatenate(parts)
    tiled: NDArray[np.intp] = row + start * np.arange(axis.tile)[:, None]
    return tiled.reshape(-1)
