"""The widths of a net in a recipe: which there are, what they cost, the net at other ones.

A width is a number of channels that may be chosen freely: of a convolution, or inside a residual
block (`inner`); what a residual block adds to has the width of the layer before it.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from edge_infer.boards.cost_table import OpWork, Work
from edge_infer.lab.train.errors import TrainError

Layers = Sequence[Mapping[str, Any]]
Shape = tuple[int, int, int]
"""Height, width and channels of a tensor, batch left out."""
Widths = tuple[int, ...]
NARROW = 32
"""Up to this many channels a width goes in steps of 8, above in steps of 16: XNNPACK's kernels take
time by the stair (measured on x86-64: 16 to 17 channels cost 2.4 times)."""


def step_of(channels: int) -> int:
    """Return by how many channels a layer of this full width is narrowed."""
    return 8 if channels <= NARROW else 16


def _rows(net: Mapping[str, Any]) -> Iterator[Layers]:
    """Trunk and heads in the order in which widths are listed."""
    if net.get("builder") != "early-exit":
        raise TrainError("[net]: a prunable net has the builder early-exit")
    for stage, head in zip(net["stages"], net["heads"], strict=True):
        yield stage
        yield head


def widths_of(net: Mapping[str, Any]) -> Widths:
    """Return the widths of a net, stage by stage, each with its head's."""
    found = (_width(layer) for row in _rows(net) for layer in row)
    return tuple(width for width in found if width)


def _width(layer: Mapping[str, Any]) -> int:
    """Return the width that may be chosen in a layer, 0 for a layer that only pools."""
    return int(layer.get("conv") or layer.get("inner") or layer.get("residual_of", 0))


def net_at(net: Mapping[str, Any], widths: Sequence[int]) -> dict[str, Any]:
    """Return a net with other widths, in the order of `widths_of`."""
    rest, narrowed, trunk = iter(widths), [], 0
    for index, row in enumerate(_rows(net)):
        changed, channels = [], trunk
        for layer in row:
            if layer.get("conv"):
                channels = next(rest)
                changed.append({**layer, "conv": channels})
            elif layer.get("residual_of"):
                changed.append({**layer, "residual_of": channels, "inner": next(rest)})
            else:
                changed.append(dict(layer))
        narrowed.append(changed)
        trunk = channels if index % 2 == 0 else trunk
    return {**net, "stages": narrowed[::2], "heads": narrowed[1::2]}


def with_heads(net: Mapping[str, Any], trunk: Mapping[str, Any], widths: Sequence[int]) -> Widths:
    """Return the widths of a net whose trunk has those of another net; heads keep all channels.

    Args:
        net: with exit heads.
        trunk: the same layers without them.
        widths: of `trunk`, in the order of `widths_of`.

    Raises:
        TrainError: the layers of the trunk differ.
    """
    if _trunk(net) != _trunk(trunk):
        raise TrainError("[net]: its stages in a row are not those of the trunk's recipe")
    rest, found = iter(widths), []
    for index, row in enumerate(_rows(net)):
        own = [width for width in map(_width, row) if width]
        found += own if index % 2 else [next(rest) for _ in own]
    return tuple(found)


def _trunk(net: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [layer for stage in net["stages"] for layer in stage]


def works_at(
    net: Mapping[str, Any], widths: Sequence[int], shape: Shape, classes: int
) -> list[Work]:
    """Return what each stage of a net asks of a processor, its head included.

    Args:
        net: of a recipe.
        widths: in the order of `widths_of`.
        shape: height, width and channels of the input.
        classes: logits of each exit.
    """
    rows = list(_rows(net_at(net, widths)))
    works, place = [], shape
    for index in range(0, len(rows), 2):
        ops, place = _ops(rows[index], place)
        head, end = _ops(rows[index + 1], place)
        answer = [
            OpWork("MEAN", 0, end[2], end[2], 1, math.prod(end)),
            OpWork("FULLY_CONNECTED", end[2] * classes, classes, classes, 1, end[2]),
        ]
        decides = index + 2 < len(rows)
        parts = (*ops, *head, *answer)
        works.append(Work(f"stage{index // 2}", parts, decides, first=index == 0))
    return works


def _ops(layers: Layers, place: Shape) -> tuple[list[OpWork], Shape]:
    ops: list[OpWork] = []
    for layer in layers:
        if layer.get("conv"):
            place = _convolve(ops, place, layer["conv"], layer.get("stride", 1), layer)
        elif layer.get("residual_of"):
            inside = _convolve(ops, place, layer["inner"], 1, {})
            place = _convolve(ops, inside, layer["residual_of"], 1, {})
            elements = math.prod(place)
            ops.append(OpWork("ADD", 0, elements, place[2], 1, 2 * elements))
        pool = layer.get("pool", 1)
        if pool > 1:
            inputs = math.prod(place)
            place = (place[0] // pool, place[1] // pool, place[2])
            ops.append(OpWork("MAX_POOL_2D", 0, math.prod(place), place[2], pool**2, inputs))
    return ops, place


def _convolve(
    ops: list[OpWork], place: Shape, channels: int, stride: int, layer: Mapping[str, Any]
) -> Shape:
    height, width = -(-place[0] // stride), -(-place[1] // stride)
    elements, taps = height * width * channels, layer.get("kernel", 3) ** 2
    macs = elements * place[2] * taps
    ops.append(OpWork("CONV_2D", macs, elements, channels, taps, math.prod(place)))
    return height, width, channels
