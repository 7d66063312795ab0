"""From a recipe to trained nets, one a ratio: of one weight set, or each with its own weights."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from edge_infer.lab.progress import Progress, silent
from edge_infer.lab.train.dataset import Splits
from edge_infer.lab.train.errors import TrainError
from edge_infer.lab.train.loop import accuracies, fast_precision
from edge_infer.lab.train.nets import build_net
from edge_infer.lab.train.prunable.channels import Order, SoftMask, follow, reorder
from edge_infer.lab.train.prunable.family import (
    Build,
    Family,
    load_nets,
    save_nets,
    separate_nets,
)
from edge_infer.lab.train.prunable.sandwich import SandwichTrainer
from edge_infer.lab.train.prunable.spacing import ratios_of
from edge_infer.lab.train.prunable.widths import net_at
from edge_infer.lab.train.recipe import Recipe
from edge_infer.models_tflite.manifest import FULL_RATIO


def builder(recipe: Recipe, splits: Splits, classes: int) -> tuple[Build, list[str]]:
    """Return what makes the net of a ratio, and the names of the ratios, the widest first."""
    _, height, width, channels = splits.train.images.shape
    ratios = ratios_of(recipe, (height, width, channels), classes)
    widths = {ratio.name: ratio.widths for ratio in ratios}
    names = [part.name for part in recipe.exits]

    def build(name: str) -> keras.Model:
        net = net_at(recipe.net, widths[name])
        return build_net(net, (height, width, channels), classes, names)

    return build, list(widths)


def train_family(
    recipe: Recipe,
    splits: Splits,
    classes: int,
    work: Path,
    rule: Order = "learned",
    mask_work: Path | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Train one weight set for all ratios; return a float32 net for each, the full one first.

    Args:
        recipe: of the kind prunable.
        splits: the held-back side is only looked at, to tell how training goes.
        classes: logits of each exit.
        work: folder of the checkpoints; a run that was cut short goes on from the last epoch.
        rule: how channels are put in order.
        mask_work: folder of the mask's checkpoints, if several runs share it.
        progress: called with each epoch.
    """
    build, names = builder(recipe, splits, classes)
    if (found := load_nets(work, build)) is not None:
        return found
    _begin(recipe)
    family = Family(build, names)
    groups = follow(family.full)
    mask = SoftMask(family.full, groups)
    trainer = SandwichTrainer(family, recipe, mask_work or work, progress)
    trainer.learn_mask(splits.train, mask)
    mask.fold()
    reorder(groups, mask.order(rule, recipe.training.seed))
    family.inherit()
    _train(family, recipe, splits, work, progress)
    return save_nets(work, separate_nets(family, build, splits.train, recipe.data.peak))


def train_alone(
    recipe: Recipe,
    splits: Splits,
    classes: int,
    work: Path,
    names: Sequence[str],
    progress: Progress = silent,
) -> dict[str, Any]:
    """Train nets of the same widths with weights of their own, side by side.

    They see the same batches for as many epochs as the family, the mask's included, and the
    narrower ones follow a full net that learns beside them, as the family's do.

    Args:
        recipe: of the kind prunable.
        splits: as for `train_family`.
        classes: logits of each exit.
        work: folder of the checkpoints.
        names: three ratios, the full one first, the narrowest last.
        progress: called with each epoch.
    """
    assert recipe.prunable is not None
    build, _ = builder(recipe, splits, classes)
    if (found := load_nets(work, build)) is not None:
        return found
    _begin(recipe)
    family = Family(build, names, shared=False)
    first, *rest = recipe.phases
    # The mask's epochs are the family's warm-up; these nets need one of their own.
    longer = dataclasses.replace(
        first,
        epochs=first.epochs + recipe.prunable.mask_epochs,
        warmup_epochs=max(first.warmup_epochs, 1),
    )
    _train(family, dataclasses.replace(recipe, phases=(longer, *rest)), splits, work, progress)
    return save_nets(work, separate_nets(family, build, splits.train, recipe.data.peak))


def train_heads(
    recipe: Recipe,
    trunk: Mapping[str, Any],
    splits: Splits,
    classes: int,
    work: Path,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Train exit heads for all ratios on a family that stands still.

    Args:
        recipe: of the kind prunable, with a trunk.
        trunk: the trained nets of the trunk's recipe.
        splits: as for `train_family`.
        classes: logits of each exit.
        work: folder of the checkpoints.
        progress: called with each epoch.
    """
    build, names = builder(recipe, splits, classes)
    if (found := load_nets(work, build)) is not None:
        return found
    _begin(recipe)
    family = Family(build, names)
    for name, net in family.nets.items():
        graft(net, trunk[name])
    _train(family, recipe, splits, work, progress)
    return save_nets(work, separate_nets(family, build, splits.train, recipe.data.peak))


def graft(net: keras.Model, trunk: keras.Model) -> None:
    """Give a net the trained layers that lead to its last exit, and have them stand still.

    Raises:
        TrainError: these layers are not those of the trunk.
    """
    mine, theirs = (
        [layer for layer in part.layers if layer.variables]
        for part in (keras.Model(net.inputs, net.outputs[-1]), trunk)
    )
    shapes = [[[v.shape for v in layer.variables] for layer in part] for part in (mine, theirs)]
    if shapes[0] != shapes[1]:
        raise TrainError("the layers up to the last exit are not those of the trunk's recipe")
    for own, trained in zip(mine, theirs, strict=True):
        own.set_weights(trained.get_weights())
        own.trainable = False


def _begin(recipe: Recipe) -> None:
    keras.utils.set_random_seed(recipe.training.seed)
    keras.config.set_dtype_policy(fast_precision())


def _train(family: Family, recipe: Recipe, splits: Splits, work: Path, progress: Progress) -> None:
    ends = [FULL_RATIO, list(family.nets)[-1]]

    def report() -> str:
        family.write_slices()
        shares = [
            f"{name}: "
            + " ".join(
                f"{100 * share:.2f}"
                for share in accuracies(family.nets[name], splits.held_back, recipe.data.peak)
            )
            for name in ends
        ]
        return "held back " + ", ".join(shares) + " %"

    SandwichTrainer(family, recipe, work, progress).train(splits.train, report)
