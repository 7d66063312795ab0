"""From a converted family to a bundle: cut at the exits, tune every ratio, write."""

import dataclasses
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_infer.commands.render import note
from edge_infer.lab.costs.board_costs import read_costs
from edge_infer.lab.replay.scored_frames import score_frames
from edge_infer.lab.train.bundling import TUNED_FOR
from edge_infer.lab.train.dataset import Dataset, Splits
from edge_infer.lab.train.prunable.conversion import Converted
from edge_infer.lab.train.recipe import Recipe
from edge_infer.lab.train.scores import accuracy, outcomes
from edge_infer.lab.tuning.calibration_data import CalibrationData
from edge_infer.lab.tuning.tuning import Tuning, tune_bundle, tuned_draft
from edge_infer.lab.tuning.tuning_document import check_predictor
from edge_infer.models_tflite import Bundle
from edge_infer.models_tflite.backend import open_backend
from edge_infer.models_tflite.build import BundleDraft, write_bundle
from edge_infer.models_tflite.classifier import Classifier, FrameOptions
from edge_infer.models_tflite.exits import exits_draft
from edge_infer.models_tflite.graph import Graph
from edge_infer.models_tflite.manifest import Manifest, Thresholds
from edge_infer.models_tflite.prunable import follow_channels
from edge_infer.models_tflite.prunable.bundling import with_ratios
from edge_infer.models_tflite.redraft import bundle_at, redraft
from edge_infer.models_tflite.single import single_draft
from edge_infer.models_tflite.stage import load_stages

Scores = Sequence[NDArray[Any]]


def make_prunable_bundle(
    out: Path,
    converted: Converted,
    recipe: Recipe,
    labels: Sequence[str],
    splits: Splits,
    told: Mapping[str, Any],
    *,
    replace: bool = False,
) -> Bundle:
    """Make every stage prunable, choose each ratio's thresholds on the held-back images, write.

    Args:
        out: the folder to make.
        converted: the family.
        recipe: how it was trained.
        labels: class names.
        splits: the held-back side decides, the test side is read once.
        told: more for the provenance, by ratio.
        replace: put it in the place of a bundle at `out`.

    Raises:
        TooFewSamplesError: the recipe holds back too few images for what it promises.
    """
    for group in follow_channels(converted.model).frozen:
        note(f"the {group.size} channels of {group.key} stay at every ratio: {group.frozen}")
    draft = with_ratios(_draft(converted.model, recipe, labels), converted.model, converted.ratios)
    with tempfile.TemporaryDirectory() as folder:
        raw = write_bundle(Path(folder) / "raw" / draft.name, draft)
        manifest = raw.manifest
        tuned = {
            ratio: _tuned(bundle_at(raw, ratio, Path(folder) / ratio), recipe, splits)
            for ratio in manifest.ratios
            if len(recipe.exits) > 1
        }
        figures = {
            ratio: {**_figures(raw, ratio, splits, tuned.get(ratio)), **told.get(ratio, {})}
            for ratio in manifest.ratios
        }
        chosen = {r: found for r, t in tuned.items() if (found := _chosen(t)) is not None}
        whole = dataclasses.replace(
            redraft(raw),
            thresholds={**manifest.thresholds, **{r: t for r, (t, _) in chosen.items()}},
            predictor={r: p for r, (_, p) in chosen.items()} or None,
            provenance=provenance(recipe, splits, figures),
        )
        return write_bundle(out, whole, replace=replace)


def provenance(recipe: Recipe, splits: Splits, figures: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the manifest says of how the nets came to be, accuracies in percent."""
    assert recipe.prunable is not None
    sizes = {"train": splits.train, "held_back": splits.held_back, "test": splits.test}
    return {
        "data": recipe.data.credit,
        "data_license": recipe.data.license,
        "images": {name: len(part) for name, part in sizes.items()},
        "recipe": {"name": recipe.name, "version": recipe.version},
        "seed": recipe.training.seed,
        "training": dataclasses.asdict(recipe.training),
        "phases": [dataclasses.asdict(phase) for phase in recipe.phases],
        "prunable": dataclasses.asdict(recipe.prunable),
        "ratios": dict(figures),
    }


def _draft(model: bytes, recipe: Recipe, labels: Sequence[str]) -> BundleDraft:
    net = Classifier(recipe.name, model, Graph(model))
    frames = FrameOptions(mean=(0.0,), std=(float(recipe.data.peak),))
    fields: dict[str, Any] = {
        "version": recipe.version,
        "description": recipe.description,
        "license": "Apache-2.0",
        "seed": recipe.training.seed,
    }
    exits = [part.name for part in recipe.exits]
    if len(exits) == 1:
        draft = single_draft(net, labels, recipe.name, frames, **fields)
        named = [dataclasses.replace(stage, name=exits[0]) for stage in draft.stages]
        return dataclasses.replace(draft, stages=named)
    return exits_draft(net, exits, labels, recipe.name, frames, **fields)


def _tuned(plain: Bundle, recipe: Recipe, splits: Splits) -> Tuning:
    """Choose the thresholds of one ratio, against its own last exit."""
    held_back, backend = splits.held_back, open_backend()
    source = f"{len(held_back)} images of the training side, never trained on"
    return tune_bundle(
        plain,
        backend,
        CalibrationData(list(held_back.images), held_back.labels.astype(np.int64), source),
        read_costs(plain, TUNED_FOR, backend.info),
        recipe.allowance,
        seed=recipe.training.seed,
    )


def _chosen(tuning: Tuning) -> tuple[Thresholds, Mapping[str, Any]] | None:
    """Return thresholds and predictor, if leaving early pays at this ratio."""
    if not tuning.pays:
        return None
    draft = tuned_draft(tuning, {})
    assert draft.predictor is not None
    [(ratio, thresholds)] = draft.thresholds.items()
    return thresholds, draft.predictor[ratio]


def _figures(bundle: Bundle, ratio: str, splits: Splits, tuning: Tuning | None) -> dict[str, Any]:
    """Score one ratio of the written file; accuracies in percent, by exit."""
    note(f"scoring ratio {ratio}")
    manifest, test = bundle.manifest, scores_at(bundle, ratio, splits.test)
    names = [stage.name for stage in manifest.stages]
    held_back = scores_at(bundle, ratio, splits.held_back) if tuning is None else tuning.scores
    found = {
        "macs": _macs(manifest, ratio),
        "held_back": _by_exit(names, held_back, splits.held_back),
        "test": _by_exit(names, test, splits.test),
    }
    if tuning is None or not tuning.pays or tuning.choice is None:
        return found
    exits = outcomes(test, splits.test.labels).exits(tuning.choice.thresholds)
    right = np.stack([rows.argmax(1) == splits.test.labels for rows in test])
    shares = np.bincount(exits, minlength=len(names)) / len(exits)
    return found | {
        "adaptive": {
            "test": _percent(float(right[exits, np.arange(len(exits))].mean())),
            "test_shares": dict(zip(names, map(_percent, shares.tolist()), strict=True)),
            "harmed": tuning.choice.harmed,
            "helped": tuning.choice.helped,
            "predictor": check_predictor(tuning),
        }
    }


def scores_at(bundle: Bundle, ratio: str, data: Dataset) -> Scores:
    """Return the raw scores of a ratio by exit, each of shape [n, classes]."""
    return score_frames(load_stages(bundle, open_backend(), ratio=ratio), list(data.images))


def _by_exit(names: Sequence[str], scores: Scores, data: Dataset) -> dict[str, float]:
    reached = [_percent(accuracy(rows, data.labels)) for rows in scores]
    return dict(zip(names, reached, strict=True))


def _macs(manifest: Manifest, ratio: str) -> dict[str, int]:
    return {stage.name: stage.macs for stage in manifest.stages_at(ratio)}


def _percent(share: float) -> float:
    return round(100 * share, 2)
