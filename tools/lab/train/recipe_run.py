"""One run of a recipe: its data divided, its work folder, and the bundle or ablation it ends in."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from edge_infer.lab.progress import Progress, silent
from edge_infer.lab.train.dataset import Splits, split
from edge_infer.lab.train.errors import TrainError
from edge_infer.lab.train.prunable.ablation import ablation_document, ablation_rows
from edge_infer.lab.train.recipe import Recipe
from edge_infer.lab.train.scores import score_splits
from edge_infer.lab.train.sources import open_source
from edge_infer.lab.train.trained_bundle import make_bundle
from edge_infer.models_tflite import Bundle

WORK = Path("runs") / "train"
"""A recipe's work folder is below it, by the recipe's name."""


def train_bundle(
    recipe: Recipe,
    out: Path,
    data: str | None = None,
    work: Path | None = None,
    *,
    replace: bool = False,
    progress: Progress = silent,
) -> Bundle:
    """Train what a recipe says, quantise it, cut it and write the bundle.

    Args:
        recipe: from `read_recipe`.
        out: the folder to make.
        data: as `open_source` takes it; the recipe's own if None.
        work: checkpoints, the whole int8 model and its scores; a run that was cut short goes on
            from what is there. runs/train/NAME if None.
        replace: put it in the place of a bundle at `out`.
        progress: called with each epoch, and what is under way.

    Raises:
        TrainError: TensorFlow is missing, nothing readable is at `data`, or `work` holds a run of
            something else.
        TooFewSamplesError: the recipe holds back too few images for what it promises.
    """
    labels, splits, work = _begin(recipe, data, work)
    if recipe.prunable is not None:
        _need_tensorflow()
        from edge_infer.lab.train.prunable.prunable_bundle import train_prunable

        return train_prunable(out, recipe, labels, splits, work, replace=replace, progress=progress)
    model = _model(recipe, splits, len(labels), work, progress)
    scored = score_splits(model, recipe, splits)
    scored.save(work / "scores.npz", splits)
    return make_bundle(
        out, model, recipe, labels, splits, scored, replace=replace, progress=progress
    )


def train_ablation(
    recipe: Recipe,
    data: str | None = None,
    work: Path | None = None,
    *,
    seeds: Sequence[int],
    progress: Progress = silent,
) -> dict[str, Any]:
    """Train what an ablation of a prunable recipe compares, and return its document.

    Args:
        recipe: of the kind prunable, with a trunk of its own.
        data: as for `train_bundle`.
        work: as for `train_bundle`.
        seeds: of the trainings.
        progress: called with each epoch.

    Raises:
        TrainError: as `train_bundle`, or the recipe learns heads alone.
    """
    labels, splits, work = _begin(recipe, data, work)
    assert recipe.prunable is not None
    if recipe.prunable.trunk:
        raise TrainError(f"{recipe.name} learns heads alone: give {recipe.prunable.trunk}")
    _need_tensorflow()
    return ablation_document(ablation_rows(recipe, splits, len(labels), work, seeds, progress))


class _Begun(NamedTuple):
    labels: tuple[str, ...]
    splits: Splits
    work: Path


def _begin(recipe: Recipe, data: str | None, work: Path | None) -> _Begun:
    """Read and divide the data, and claim the work folder."""
    source = open_source(data or recipe.data.source)
    splits = split(
        source.train, source.test, recipe.data.held_back, recipe.data.test, recipe.training.seed
    )
    work = work or WORK / recipe.name
    _claim(work, recipe, splits)
    return _Begun(source.class_names, splits, work)


def _claim(work: Path, recipe: Recipe, splits: Splits) -> None:
    """Say in the work folder what it is for; refuse one that is for something else."""
    sizes = [len(part) for part in (splits.train, splits.held_back, splits.test)]
    purpose = f"{recipe}\n{sizes} images\n"
    note = work / "recipe.txt"
    if note.exists() and note.read_text("utf-8") != purpose:
        raise TrainError(f"{work} holds a run of another recipe or other data: give another --work")
    work.mkdir(parents=True, exist_ok=True)
    note.write_text(purpose, "utf-8")


def _model(recipe: Recipe, splits: Splits, classes: int, work: Path, progress: Progress) -> bytes:
    """Train, or take the model that an earlier run left in `work`."""
    whole = work / "whole.tflite"
    if not whole.exists():
        _need_tensorflow()
        from edge_infer.lab.train.pipeline import train_model

        whole.write_bytes(train_model(recipe, splits, classes, work, progress))
    return whole.read_bytes()


def _need_tensorflow() -> None:
    # TensorFlow says at import which instructions it could use; that is no news here.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        import tensorflow  # noqa: F401
    except ImportError as error:
        raise TrainError(f"training needs {error.name}: pip install 'edge-infer[train]'") from None
