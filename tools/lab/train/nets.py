"""The nets: each builder takes shape, classes and names of the exits, and gives a Keras model.

Inputs are in 0 to 1. Outputs are logits, one tensor an exit, in the order of `exits`. Between two
exits one tensor of the trunk goes on, so the quantised model can be cut there.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras

from edge_infer.lab.train.blocks import answer, convolve, residual
from edge_infer.lab.train.errors import TrainError

Shape = tuple[int, int, int]


def early_exit(
    shape: Shape,
    classes: int,
    exits: Sequence[str],
    stages: Sequence[Sequence[Mapping[str, Any]]],
    heads: Sequence[Sequence[Mapping[str, Any]]],
) -> keras.Model:
    """A trunk in stages, with a small head of its own behind each stage.

    Args:
        shape: height, width and channels of the input.
        classes: logits of each exit.
        exits: one name a stage.
        stages: layers of the trunk, stage by stage, as `_layer` reads them.
        heads: layers between the trunk and the mean, exit by exit.
    """
    frame = x = keras.Input(shape)
    outputs = []
    for name, stage, head in zip(exits, stages, heads, strict=True):
        x = _stack(x, stage)
        outputs.append(answer(_stack(x, head), classes, name))
    return keras.Model(frame, outputs)


def branches(
    shape: Shape,
    classes: int,
    exits: Sequence[str],
    branches: Sequence[Sequence[Mapping[str, Any]]],
) -> keras.Model:
    """Nets side by side that share nothing but the frame: a little one, then bigger ones."""
    frame = keras.Input(shape)
    outputs = [
        answer(_stack(frame, layers), classes, name)
        for name, layers in zip(exits, branches, strict=True)
    ]
    return keras.Model(frame, outputs)


def _stack(x: Any, layers: Sequence[Mapping[str, Any]]) -> Any:
    for layer in layers:
        x = _layer(x, **layer)
    return x


def _layer(
    x: Any,
    conv: int = 0,
    residual_of: int = 0,
    stride: int = 1,
    kernel: int = 3,
    pool: int = 1,
    inner: int = 0,
) -> Any:
    """`{conv = 32, stride = 2}`, `{residual_of = 64}`; `pool` takes a maximum afterwards.

    `inner` is the width between the two convolutions of a residual block, if another.
    """
    if conv:
        x = convolve(x, conv, stride, kernel)
    if residual_of:
        x = residual(x, residual_of, inner)
    return keras.layers.MaxPooling2D(pool)(x) if pool > 1 else x


BUILDERS: dict[str, Callable[..., keras.Model]] = {"early-exit": early_exit, "branches": branches}


def build_net(
    net: Mapping[str, Any], shape: Shape, classes: int, exits: Sequence[str]
) -> keras.Model:
    """Build what a recipe's [net] describes.

    Raises:
        TrainError: no such builder, or an argument or layer that it does not know.
    """
    arguments = dict(net)
    builder = BUILDERS.get(arguments.pop("builder", ""))
    if builder is None:
        raise TrainError(f"[net]: builder is none of {', '.join(BUILDERS)}")
    try:
        return builder(shape, classes, exits, **arguments)
    except TypeError as error:
        raise TrainError(f"[net]: {error}") from None
