"""From a prunable recipe to a bundle: train, convert, cut at the exits, tune every ratio, write."""

import dataclasses
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edge_infer.lab.progress import Progress, silent
from edge_infer.lab.train.dataset import Dataset, Splits
from edge_infer.lab.train.errors import TrainError
from edge_infer.lab.train.loop import accuracies
from edge_infer.lab.train.prunable.conversion import Converted, convert
from edge_infer.lab.train.prunable.training import train_family, train_heads
from edge_infer.lab.train.recipe import Recipe, read_recipe
from edge_infer.lab.train.scores import accuracy, score
from edge_infer.lab.train.trained_bundle import (
    held_back_data,
    on_test,
    percent,
    training_provenance,
    tuned_on_held_back,
)
from edge_infer.lab.tuning.confidence import fit_confidence
from edge_infer.lab.tuning.tuning import Tuning, tuned_draft
from edge_infer.lab.tuning.tuning_document import check_predictor
from edge_infer.models_tflite import Bundle
from edge_infer.models_tflite.backend import open_backend
from edge_infer.models_tflite.build import BundleDraft, write_bundle
from edge_infer.models_tflite.classifier import Classifier, FrameOptions
from edge_infer.models_tflite.drafts import exits_draft, single_draft
from edge_infer.models_tflite.golden import run_all
from edge_infer.models_tflite.graph import Graph
from edge_infer.models_tflite.manifest import Manifest, Thresholds
from edge_infer.models_tflite.prunable import follow_channels
from edge_infer.models_tflite.prunable.bundling import with_ratios
from edge_infer.models_tflite.redraft import bundle_at, redraft
from edge_infer.models_tflite.stage import load_stages

Scores = Sequence[NDArray[Any]]


def train_prunable(
    out: Path,
    recipe: Recipe,
    labels: Sequence[str],
    splits: Splits,
    work: Path,
    *,
    replace: bool = False,
    progress: Progress = silent,
) -> Bundle:
    """Train, convert and bundle; a run that was cut short goes on from what is in `work`.

    Args:
        out: the folder to make.
        recipe: of the kind prunable.
        labels: class names.
        splits: the held-back side decides, the test side is read once.
        work: folder of checkpoints and conversions.
        replace: put it in the place of a bundle at `out`.
        progress: called with each epoch, and what is under way.

    Raises:
        TrainError: the net cannot be pruned.
        TooFewSamplesError: the recipe holds back too few images for what it promises.
    """
    nets = trained_nets(recipe, splits, len(labels), work, progress)
    progress("converting every ratio")
    converted = convert(recipe, splits, nets, work)
    by_ratio = _by_ratio(recipe, nets, converted, splits)
    return _make_bundle(
        out, converted, recipe, labels, splits, by_ratio, replace=replace, progress=progress
    )


def _by_ratio(
    recipe: Recipe, nets: Mapping[str, Any], converted: Converted, splits: Splits
) -> dict[str, dict[str, Any]]:
    """Return test accuracies by ratio and exit: of float nets, and of int8 nets of their own."""
    exits = [part.name for part in recipe.exits]
    by_ratio: dict[str, dict[str, Any]] = {}
    for name, net in nets.items():
        floats = accuracies(net, splits.test, recipe.data.peak)
        own = score(
            converted.own[name], exits, splits.test.images, recipe.data.peak, open_backend()
        )
        by_ratio[name] = {
            "float_test": dict(zip(exits, map(percent, floats), strict=True)),
            "own_int8_test": {
                exit_: percent(accuracy(rows, splits.test.labels))
                for exit_, rows in zip(exits, own, strict=True)
            },
        }
    return by_ratio


def trained_nets(
    recipe: Recipe, splits: Splits, classes: int, work: Path, progress: Progress = silent
) -> dict[str, Any]:
    """Train a recipe's family, its trunk's first if it has one; return float32 nets by ratio."""
    assert recipe.prunable is not None
    if not recipe.prunable.trunk:
        return train_family(recipe, splits, classes, work, progress=progress)
    trunk = read_recipe(recipe.prunable.trunk)
    if (trunk.training.seed, trunk.data) != (recipe.training.seed, recipe.data):
        raise TrainError(f"{recipe.name} has other data or another seed than {trunk.name}")
    nets = trained_nets(trunk, splits, classes, work / "trunk", progress)
    return train_heads(recipe, nets, splits, classes, work, progress)


def _make_bundle(
    out: Path,
    converted: Converted,
    recipe: Recipe,
    labels: Sequence[str],
    splits: Splits,
    by_ratio: Mapping[str, Any],
    *,
    replace: bool,
    progress: Progress,
) -> Bundle:
    """Make every stage prunable, choose each ratio's thresholds on the held-back images, write.

    Args:
        out: the folder to make.
        converted: the family.
        recipe: how it was trained.
        labels: class names.
        splits: the held-back side decides, the test side is read once.
        by_ratio: more for the provenance, by ratio.
        replace: put it in the place of a bundle at `out`.
        progress: called with what is under way.

    Raises:
        TooFewSamplesError: the recipe holds back too few images for what it promises.
    """
    assert recipe.prunable is not None
    for group in follow_channels(converted.model).frozen:
        progress(f"the {group.size} channels of {group.key} stay at every ratio: {group.frozen}")
    draft = with_ratios(_draft(converted.model, recipe, labels), converted.model, converted.ratios)
    with tempfile.TemporaryDirectory() as folder:
        raw = write_bundle(Path(folder) / "raw" / draft.name, draft)
        manifest = raw.manifest
        tuned: dict[str, Tuning] = {}
        for ratio in manifest.ratios if len(recipe.exits) > 1 else ():
            # Against the ratio's own last exit.
            plain = bundle_at(raw, ratio, Path(folder) / ratio)
            tuned[ratio] = tuned_on_held_back(plain, recipe, splits, open_backend(), progress)
        figures = {
            ratio: {
                **_figures(raw, ratio, splits, tuned.get(ratio), progress),
                **by_ratio.get(ratio, {}),
            }
            for ratio in manifest.ratios
        }
        chosen = {r: found for r, t in tuned.items() if (found := _chosen(t)) is not None}
        thresholds = {**manifest.thresholds, **{r: t for r, (t, _) in chosen.items()}}
        whole = dataclasses.replace(
            redraft(raw),
            thresholds=thresholds,
            predictor={r: p for r, (_, p) in chosen.items()} or None,
            provenance={
                **training_provenance(recipe, splits),
                "prunable": dataclasses.asdict(recipe.prunable),
                "ratios": figures,
            },
        )
        chosen_on = write_bundle(Path(folder) / "whole" / draft.name, whole)
        fitted = fit_confidence(chosen_on, open_backend(), held_back_data(splits), progress)
        return write_bundle(out, fitted.draft, replace=replace)


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


def _chosen(tuning: Tuning) -> tuple[Thresholds, Mapping[str, Any]] | None:
    """Return thresholds and predictor, if leaving early pays at this ratio."""
    if not tuning.pays:
        return None
    draft = tuned_draft(tuning, {})
    assert draft.predictor is not None
    [(ratio, thresholds)] = draft.thresholds.items()
    return thresholds, draft.predictor[ratio]


def _figures(
    bundle: Bundle, ratio: str, splits: Splits, tuning: Tuning | None, progress: Progress
) -> dict[str, Any]:
    """Score one ratio of the written file; accuracies in percent, by exit."""
    progress(f"scoring ratio {ratio}")
    manifest, test = bundle.manifest, _scores_at(bundle, ratio, splits.test)
    names = [stage.name for stage in manifest.stages]
    held_back = _scores_at(bundle, ratio, splits.held_back) if tuning is None else tuning.scores
    found = {
        "macs": _macs(manifest, ratio),
        "held_back": _by_exit(names, held_back, splits.held_back),
        "test": _by_exit(names, test, splits.test),
    }
    if tuning is None or not tuning.pays or tuning.choice is None:
        return found
    return found | {
        "adaptive": {
            **on_test(tuning, test, splits),
            "harmed": tuning.choice.harmed,
            "helped": tuning.choice.helped,
            "predictor": check_predictor(tuning),
        }
    }


def _scores_at(bundle: Bundle, ratio: str, data: Dataset) -> Scores:
    """Return the raw scores of a ratio by exit, each of shape [n, classes]."""
    return run_all(load_stages(bundle, open_backend(), ratio=ratio), list(data.images))


def _by_exit(names: Sequence[str], scores: Scores, data: Dataset) -> dict[str, float]:
    reached = [percent(accuracy(rows, data.labels)) for rows in scores]
    return dict(zip(names, reached, strict=True))


def _macs(manifest: Manifest, ratio: str) -> dict[str, int]:
    return {stage.name: stage.macs for stage in manifest.stages_at(ratio)}
