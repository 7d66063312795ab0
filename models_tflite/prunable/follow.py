"""Which channels of a model must be cut together, and where they lie."""

from edge_infer.models_tflite.graph import Graph
from edge_infer.models_tflite.prunable.atoms import Atoms, Blocks
from edge_infer.models_tflite.prunable.channels import Axis, ChannelGroups, Group
from edge_infer.models_tflite.prunable.own_constants import own_constants
from edge_infer.models_tflite.prunable.walk import ChannelWalk

_Place = tuple[int, int]
"""Tensor and dimension."""


def follow_channels(model: bytes) -> ChannelGroups:
    """Return the groups of channels of a model.

    Inputs and outputs of the model are never cut, nor channels that an operator needs whole: every
    operator without a rule does, and its name is the reason.

    Args:
        model: a .tflite file of the whole net, all exits, before it is cut into stages.

    Raises:
        ModelError: the bytes are no TFLite model.
        ModelNotSupportedError: the model has several subgraphs.
    """
    graph = Graph(own_constants(model))
    walk = ChannelWalk(graph)
    roots = {place: walk.atoms.roots(labels) for place, labels in _places(graph, walk).items()}
    blocks = Blocks(walk.atoms, list(roots.values()))
    keys = _keys(graph, walk, blocks, roots)
    groups = tuple(
        Group(key, len(members), walk.atoms.reason(members[0]))
        for key, members in zip(keys, blocks.members, strict=True)
    )
    axes = {
        (graph.tensors[index].name, dimension): blocks.axis(row)
        for (index, dimension), row in roots.items()
    }
    written = {
        place: (blocks.axis(walk.atoms.roots(labels)), own)
        for place, (labels, own) in walk.shapes.items()
    }
    return ChannelGroups(
        groups=groups,
        axes=_changing(groups, axes),
        shape_constants=_changing(groups, {p: a for p, (a, own) in written.items() if not own}),
        reshapes=_changing(groups, {p: a for p, (a, own) in written.items() if own}),
    )


def _places(graph: Graph, walk: ChannelWalk) -> dict[_Place, Atoms]:
    """Return the channels along every dimension that has any; scalars have none."""
    computed = {
        (index, len(graph.tensors[index].shape) - 1): labels
        for index, labels in walk.labels.items()
        if graph.tensors[index].shape
    }
    return computed | walk.cuts


def _changing(
    groups: tuple[Group, ...], axes: dict[tuple[str, int], Axis]
) -> dict[tuple[str, int], Axis]:
    """Return the axes that a ratio can shorten."""
    return {
        place: axis
        for place, axis in axes.items()
        if any(not groups[segment.group].frozen for segment in axis.segments)
    }


def _keys(graph: Graph, walk: ChannelWalk, blocks: Blocks, roots: dict[_Place, Atoms]) -> list[str]:
    """Return the key of each block: the first constant that makes it, else the first tensor."""
    first: dict[int, tuple[int, int, int]] = {}
    for index, dimension in (*walk.made, *roots):
        for position, atom in enumerate(roots[index, dimension].tolist()):
            first.setdefault(atom, (index, dimension, position))
    keys = []
    for members in blocks.members:
        index, dimension, start = first[members[0]]
        name, whole = graph.tensors[index].name, len(roots[index, dimension])
        part = "" if len(members) == whole else f"[{start}:{start + len(members)}]"
        keys.append(name + part)
    return keys
