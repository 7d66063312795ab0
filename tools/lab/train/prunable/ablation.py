"""Does the learned mask earn its keep, and what does sharing one weight set cost?

One family for each order of channels (by the learned mask, by the magnitude of the filters,
arbitrary), all from the same first epoch, and nets trained alone at three of the widths: the same
images in the same order, the same number of epochs, the same distillation.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edge_infer.lab.progress import Progress, silent
from edge_infer.lab.train.dataset import Splits
from edge_infer.lab.train.recipe import Recipe

WITHIN_POINTS = 1.0
"""How far below a net trained alone a ratio may lie."""


def ablation_rows(
    recipe: Recipe,
    splits: Splits,
    classes: int,
    work: Path,
    seeds: Sequence[int],
    progress: Progress = silent,
) -> list[dict[str, Any]]:
    """Train all families and nets and return one row a seed, way and ratio.

    Args:
        recipe: of the kind prunable.
        splits: the test side is read once, at the end of each run.
        classes: logits of each exit.
        work: folder of the checkpoints; what is done already is not done again.
        seeds: of weights, batches and the arbitrary order.
        progress: called with each epoch.

    Returns:
        Rows with `seed`, `way` (an order, or "alone"), `ratio`, and the test accuracy of the last
        exit in percent, in float arithmetic.
    """
    from edge_infer.lab.train.loop import accuracies
    from edge_infer.lab.train.prunable.channels import ORDERS
    from edge_infer.lab.train.prunable.training import builder, train_alone, train_family

    _, names = builder(recipe, splits, classes)
    three = [names[0], names[len(names) // 2], names[-1]]
    rows = []
    for seed in seeds:
        seeded = dataclasses.replace(
            recipe, training=dataclasses.replace(recipe.training, seed=seed)
        )
        ways: dict[str, dict[str, Any]] = {
            order: train_family(
                seeded,
                splits,
                classes,
                work / f"{order}-{seed}",
                order,
                work / f"mask-{seed}",
                progress,
            )
            for order in ORDERS
        }
        ways["alone"] = train_alone(
            seeded, splits, classes, work / f"alone-{seed}", three, progress
        )
        rows += [
            {"seed": seed, "way": way, "ratio": name,
             "test": round(100 * accuracies(net, splits.test, recipe.data.peak)[-1], 2)}
            for way, nets in ways.items()
            for name, net in nets.items()
        ]  # fmt: skip
    return rows


def ablation_document(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the rows with means over the seeds, and what is behind what."""
    means: dict[str, dict[str, float]] = {}
    for way in dict.fromkeys(row["way"] for row in rows):
        found = [row for row in rows if row["way"] == way]
        means[way] = {
            ratio: round(float(np.mean([r["test"] for r in found if r["ratio"] == ratio])), 2)
            for ratio in dict.fromkeys(row["ratio"] for row in found)
        }
    learned = means["learned"]
    behind = {ratio: round(alone - learned[ratio], 2) for ratio, alone in means["alone"].items()}
    ahead = {
        order: round(float(np.mean([learned[r] - other for r, other in means[order].items()])), 2)
        for order in means
        if order not in ("learned", "alone")
    }
    return {
        "seeds": sorted({row["seed"] for row in rows}),
        "rows": list(rows),
        "mean_test_percent": means,
        "points_ahead_of_order": ahead,
        "points_behind_alone": behind,
        "within_points": WITHIN_POINTS,
        "met": max(behind.values()) <= WITHIN_POINTS,
    }
