"""`edge-infer train`: a recipe and its data in, a bundle out."""

import os
from pathlib import Path
from typing import Any

import click
import numpy as np

from edge_infer.commands.options import json_option, option, refuse_existing
from edge_infer.commands.render import emit, table
from edge_infer.commands.tune_report import tune_report
from edge_infer.lab.train.bundling import Scored, make_bundle, score_splits
from edge_infer.lab.train.dataset import Splits, split
from edge_infer.lab.train.errors import TrainError
from edge_infer.lab.train.prunable.ablation_report import ablation_report
from edge_infer.lab.train.prunable.command import prunable_report, train_ablation, train_prunable
from edge_infer.lab.train.recipe import Recipe, read_recipe
from edge_infer.lab.train.sources import open_source
from edge_infer.models_tflite import Bundle


@click.command("train", short_help="Train a bundle from a recipe.")
@click.argument("recipe")
@option("--out", type=click.Path(path_type=Path), help="Bundle folder to make.")
@option("--data", help="digits, keras:NAME, an .npz file, or a folder.  [default: the recipe's]")
@option(
    "--work",
    type=click.Path(path_type=Path),
    help="Checkpoints, the whole int8 model and its scores; a run goes on from what is there.  "
    "[default: runs/train/RECIPE]",
)
@option("--replace", is_flag=True, help="Put the new bundle in the place of the one at --out.")
@option(
    "--ablation",
    is_flag=True,
    help="Of a prunable recipe: instead of a bundle, what the learned order of channels and one "
    "weight set for all ratios earn and cost.",
)
@option(
    "--seed",
    "seeds",
    type=int,
    multiple=True,
    default=(11, 12),
    show_default=True,
    help="Of the ablation's trainings; may be repeated.",
)
@json_option
def train_command(
    recipe: str,
    out: Path | None,
    data: str | None,
    work: Path | None,
    replace: bool,
    ablation: bool,
    seeds: tuple[int, ...],
    as_json: bool,
) -> None:
    """Train RECIPE (a name or a .toml file), quantise it, cut it and write the bundle.

    Data folders hold IDX files, or one folder of images a class below train and test.
    """
    chosen = read_recipe(recipe)
    if ablation and chosen.prunable is None:
        raise click.UsageError(f"--ablation is for prunable recipes, {chosen.name} is not one")
    if (out is None) != ablation:
        raise click.UsageError("give either --out, for a bundle, or --ablation")
    if out is not None:
        refuse_existing(out, replace)
    source = open_source(data or chosen.data.source)
    splits = split(
        source.train, source.test, chosen.data.held_back, chosen.data.test, chosen.training.seed
    )
    work = work or Path("runs") / "train" / chosen.name
    _claim(work, chosen, splits)
    if out is None:
        document = train_ablation(chosen, source.class_names, splits, work, seeds)
        emit(as_json, document, ablation_report(document))
        return
    if chosen.prunable is not None:
        bundle = train_prunable(out, chosen, source.class_names, splits, work, replace)
        emit(as_json, {"bundle": str(out), **bundle.manifest.provenance}, prunable_report(bundle))
        return
    model = _model(chosen, splits, len(source.class_names), work)
    scored = score_splits(model, chosen, splits)
    _save_scores(work / "scores.npz", scored, splits)
    bundle = make_bundle(out, model, chosen, source.class_names, splits, scored, replace=replace)
    emit(as_json, {"bundle": str(out), **bundle.manifest.provenance}, _report(bundle))


def _claim(work: Path, recipe: Recipe, splits: Splits) -> None:
    """Say in the work folder what it is for; refuse one that is for something else."""
    sizes = [len(part) for part in (splits.train, splits.held_back, splits.test)]
    purpose = f"{recipe}\n{sizes} images\n"
    note = work / "recipe.txt"
    if note.exists() and note.read_text("utf-8") != purpose:
        raise TrainError(f"{work} holds a run of another recipe or other data: give another --work")
    work.mkdir(parents=True, exist_ok=True)
    note.write_text(purpose, "utf-8")


def _model(recipe: Recipe, splits: Splits, classes: int, work: Path) -> bytes:
    """Train, or take the model that an earlier run left in `work`."""
    whole = work / "whole.tflite"
    if not whole.exists():
        # TensorFlow says at import which instructions it could use; that is no news here.
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        try:
            from edge_infer.lab.train.pipeline import train_model
        except ImportError as error:
            raise TrainError(
                f"training needs {error.name}: pip install 'edge-infer[train]'"
            ) from None
        whole.write_bytes(train_model(recipe, splits, classes, work))
    return whole.read_bytes()


def _save_scores(path: Path, scored: Scored, splits: Splits) -> None:
    """Raw scores per exit, `held_back_NAME` and `test_NAME`, with the labels beside them."""
    arrays: dict[str, Any] = {f"held_back_{name}": rows for name, rows in scored.held_back.items()}
    arrays |= {f"test_{name}": rows for name, rows in scored.test.items()}
    arrays |= {"held_back_labels": splits.held_back.labels, "test_labels": splits.test.labels}
    np.savez_compressed(path, **arrays)


def _report(bundle: Bundle) -> str:
    told = bundle.manifest.provenance
    adaptive = told.get("adaptive", {})
    shares = adaptive.get("test_shares", {})
    rows = [
        [name, f"{net['macs'] / 1e6:.3f}", f"{net['test']:.2f}", f"{shares.get(name, '-')}"]
        for name, net in told["nets"].items()
    ]
    nets = table(rows, ["net", "MMAC alone", "test accuracy %", "leaves here %"])
    blocks = [nets]
    if "tuning" in told:
        blocks.append(tune_report(told["tuning"]))
    if adaptive:
        blocks.append(f"on the test images, read once: {adaptive['test']:.2f} % right")
    return "\n\n".join([*blocks, f"wrote {bundle.path}"])
