"""From a recipe to trained nets, one a ratio: of one weight set, or each with its own weights."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras

from models_tflite.manifest import FULL_RATIO

from ..dataset import Splits
from ..loop import fast_precision
from ..nets import build_net
from ..recipe import Recipe
from .family import Build, Family
from .groups import follow, reorder
from .mask import Order, SoftMask
from .sandwich import SandwichTrainer
from .settled import accuracies, load_nets, save_nets, settled_nets
from .spacing import Ratio, spaced_ratios
from .widths import net_at


def ratios_of(recipe: Recipe, splits: Splits, classes: int) -> tuple[Ratio, ...]:
    """Return the ratios that a recipe's boards ask for."""
    assert recipe.prunable is not None
    shape = splits.train.images.shape[1:]
    height, width, channels = shape
    part = recipe.prunable
    return spaced_ratios(recipe.net, (height, width, channels), classes, part.boards, part.spread)


def builder(recipe: Recipe, splits: Splits, classes: int, ratios: Sequence[Ratio]) -> Build:
    """Return what makes the net of a ratio."""
    widths = {ratio.name: ratio.widths for ratio in ratios}
    names = [part.name for part in recipe.exits]
    _, height, width, channels = splits.train.images.shape

    def build(name: str) -> keras.Model:
        net = net_at(recipe.net, widths[name])
        return build_net(net, (height, width, channels), classes, names)

    return build


def train_family(
    recipe: Recipe,
    splits: Splits,
    classes: int,
    work: Path,
    rule: Order = "learned",
    mask_work: Path | None = None,
) -> dict[str, Any]:
    """Train one weight set for all ratios; return a float32 net for each, the full one first.

    Args:
        recipe: of the kind prunable.
        splits: the held-back side is only looked at, to print how training goes.
        classes: logits of each exit.
        work: folder of the checkpoints; a run that was cut short goes on from the last epoch.
        rule: how channels are put in order.
        mask_work: folder of the mask's checkpoints, if several runs share it.
    """
    ratios = ratios_of(recipe, splits, classes)
    build = builder(recipe, splits, classes, ratios)
    if (found := load_nets(work, build)) is not None:
        return found
    keras.utils.set_random_seed(recipe.training.seed)
    keras.config.set_dtype_policy(fast_precision())
    family = Family(build, [ratio.name for ratio in ratios])
    groups = follow(family.full)
    mask = SoftMask(family.full, groups)
    SandwichTrainer(family, recipe, mask_work or work).learn_mask(splits.train, mask)
    mask.fold()
    reorder(groups, mask.order(rule, recipe.training.seed))
    family.inherit()
    _train(family, recipe, splits, work)
    return save_nets(work, settled_nets(family, build, splits.train, recipe.data.peak))


def train_alone(
    recipe: Recipe, splits: Splits, classes: int, work: Path, names: Sequence[str]
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
    """
    assert recipe.prunable is not None
    ratios = [r for r in ratios_of(recipe, splits, classes) if r.name in names]
    build = builder(recipe, splits, classes, ratios)
    if (found := load_nets(work, build)) is not None:
        return found
    keras.utils.set_random_seed(recipe.training.seed)
    keras.config.set_dtype_policy(fast_precision())
    family = Family(build, [ratio.name for ratio in ratios], shared=False)
    first, *rest = recipe.phases
    longer = dataclasses.replace(first, epochs=first.epochs + recipe.prunable.mask_epochs)
    _train(family, dataclasses.replace(recipe, phases=(longer, *rest)), splits, work)
    return save_nets(work, settled_nets(family, build, splits.train, recipe.data.peak))


def _train(family: Family, recipe: Recipe, splits: Splits, work: Path) -> None:
    ends = [FULL_RATIO, list(family.nets)[-1]]

    def report() -> str:
        family.settle()
        shares = [
            f"{name}: "
            + " ".join(
                f"{100 * share:.2f}"
                for share in accuracies(family.nets[name], splits.held_back, recipe.data.peak)
            )
            for name in ends
        ]
        return "held back " + ", ".join(shares) + " %"

    SandwichTrainer(family, recipe, work).train(splits.train, report)
