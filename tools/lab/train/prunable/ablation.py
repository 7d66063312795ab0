"""Does the learned mask earn its keep, and what does sharing one weight set cost?

One family for each order of channels (by the learned mask, by the magnitude of the filters,
arbitrary), all from the same first epoch, and nets trained alone at three of the widths: the same
images in the same order, the same number of epochs, the same distillation.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edge_infer.lab.train.dataset import Splits
from edge_infer.lab.train.prunable.mask import ORDERS
from edge_infer.lab.train.prunable.settled import accuracies
from edge_infer.lab.train.prunable.training import builder, train_alone, train_family
from edge_infer.lab.train.recipe import Recipe


def ablation_rows(
    recipe: Recipe, splits: Splits, classes: int, work: Path, seeds: Sequence[int]
) -> list[dict[str, Any]]:
    """Train all families and nets and return one row a seed, way and ratio.

    Args:
        recipe: of the kind prunable.
        splits: the test side is read once, at the end of each run.
        classes: logits of each exit.
        work: folder of the checkpoints; what is done already is not done again.
        seeds: of weights, batches and the arbitrary order.

    Returns:
        Rows with `seed`, `way` (an order, or "alone"), `ratio`, and the test accuracy of the last
        exit in percent, in float arithmetic.
    """
    _, names = builder(recipe, splits, classes)
    three = [names[0], names[len(names) // 2], names[-1]]
    rows = []
    for seed in seeds:
        seeded = dataclasses.replace(
            recipe, training=dataclasses.replace(recipe.training, seed=seed)
        )
        ways: dict[str, dict[str, Any]] = {
            order: train_family(
                seeded, splits, classes, work / f"{order}-{seed}", order, work / f"mask-{seed}"
            )
            for order in ORDERS
        }
        ways["alone"] = train_alone(seeded, splits, classes, work / f"alone-{seed}", three)
        rows += [
            {"seed": seed, "way": way, "ratio": name,
             "test": round(100 * accuracies(net, splits.test, recipe.data.peak)[-1], 2)}
            for way, nets in ways.items()
            for name, net in nets.items()
        ]  # fmt: skip
    return rows
