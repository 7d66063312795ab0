"""What `edge-infer train` does with a recipe of the kind prunable."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edge_infer.commands.render import note, table
from edge_infer.lab.train.dataset import Splits
from edge_infer.lab.train.errors import TrainError
from edge_infer.lab.train.prunable.ablation_report import ablation_document
from edge_infer.lab.train.recipe import Recipe, read_recipe
from edge_infer.lab.train.scores import accuracy, score
from edge_infer.models_tflite import Bundle
from edge_infer.models_tflite.backend import open_backend


def train_prunable(
    out: Path, recipe: Recipe, labels: Sequence[str], splits: Splits, work: Path, replace: bool
) -> Bundle:
    """Train, convert and bundle; a run that was cut short goes on from what is in `work`.

    Raises:
        TrainError: TensorFlow is missing, or the net cannot be pruned.
    """
    _need_tensorflow()
    from edge_infer.lab.train.prunable.bundling import make_prunable_bundle
    from edge_infer.lab.train.prunable.conversion import convert
    from edge_infer.lab.train.prunable.settled import accuracies

    nets = trained_nets(recipe, splits, len(labels), work)
    note("converting every ratio")
    converted = convert(recipe, splits, nets, work)
    exits = [part.name for part in recipe.exits]
    told: dict[str, dict[str, Any]] = {}
    for name, net in nets.items():
        floats = accuracies(net, splits.test, recipe.data.peak)
        own = score(
            converted.own[name], exits, splits.test.images, recipe.data.peak, open_backend()
        )
        told[name] = {
            "float_test": dict(zip(exits, (round(100 * x, 2) for x in floats), strict=True)),
            "own_int8_test": {
                exit_: round(100 * accuracy(rows, splits.test.labels), 2)
                for exit_, rows in zip(exits, own, strict=True)
            },
        }
    return make_prunable_bundle(out, converted, recipe, labels, splits, told, replace=replace)


def trained_nets(recipe: Recipe, splits: Splits, classes: int, work: Path) -> dict[str, Any]:
    """Train a recipe's family, its trunk's first if it has one; return float32 nets by ratio."""
    from edge_infer.lab.train.prunable.training import train_family, train_heads

    assert recipe.prunable is not None
    if not recipe.prunable.trunk:
        return train_family(recipe, splits, classes, work)
    trunk = read_recipe(recipe.prunable.trunk)
    if (trunk.training.seed, trunk.data) != (recipe.training.seed, recipe.data):
        raise TrainError(f"{recipe.name} has other data or another seed than {trunk.name}")
    nets = trained_nets(trunk, splits, classes, work / "trunk")
    return train_heads(recipe, nets, splits, classes, work)


def train_ablation(
    recipe: Recipe, labels: Sequence[str], splits: Splits, work: Path, seeds: Sequence[int]
) -> dict[str, Any]:
    """Train what an ablation compares and return its document."""
    assert recipe.prunable is not None
    if recipe.prunable.trunk:
        raise TrainError(f"{recipe.name} learns heads alone: give {recipe.prunable.trunk}")
    _need_tensorflow()
    from edge_infer.lab.train.prunable.ablation import ablation_rows

    return ablation_document(ablation_rows(recipe, splits, len(labels), work, seeds))


def _need_tensorflow() -> None:
    # TensorFlow says at import which instructions it could use; that is no news here.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        import tensorflow  # noqa: F401
    except ImportError as error:
        raise TrainError(f"training needs {error.name}: pip install 'edge-infer[train]'") from None


def prunable_report(bundle: Bundle) -> str:
    """Return the ratios of a bundle as a table."""
    told = bundle.manifest.provenance["ratios"]
    last = bundle.manifest.stages[-1].name
    rows = [
        [
            ratio,
            f"{sum(net['macs'].values()) / 1e6:.3f}",
            f"{net['float_test'][last]:.2f}",
            f"{net['test'][last]:.2f}",
            f"{net['adaptive']['test']:.2f}" if "adaptive" in net else "-",
        ]
        for ratio, net in told.items()
    ]
    heading = ["ratio", "MMAC", "float %", "int8 %", "leaving early %"]
    return f"{table(rows, heading)}\n\ntest accuracy of the last exit\nwrote {bundle.path}"
