"""From one quantised model to a bundle: choose the nets, cut there, tune, write.

Of a little/big recipe, which trains several nets side by side, the two that are shipped are chosen.
"""

import dataclasses
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_infer.lab.costs.board_costs import read_costs
from edge_infer.lab.progress import Progress, silent
from edge_infer.lab.train.dataset import Splits
from edge_infer.lab.train.recipe import Recipe
from edge_infer.lab.train.scores import Scored, accuracy, outcomes
from edge_infer.lab.tuning import ExitOutcomes, choose_thresholds, split_calibration
from edge_infer.lab.tuning.calibration_data import CalibrationData
from edge_infer.lab.tuning.confidence import fit_confidence
from edge_infer.lab.tuning.tuning import Tuning, tune_bundle, tuned_draft
from edge_infer.lab.tuning.tuning_document import tune_document
from edge_infer.models_tflite import Bundle
from edge_infer.models_tflite.backend import Backend
from edge_infer.models_tflite.build import BundleDraft, SampleSet, write_bundle
from edge_infer.models_tflite.classifier import Classifier, FrameOptions
from edge_infer.models_tflite.cut import cut
from edge_infer.models_tflite.drafts import exits_draft, single_draft
from edge_infer.models_tflite.graph import Graph
from edge_infer.models_tflite.ops import list_ops

TUNED_FOR = "sim:raspberry-pi-5"
"""Board whose modelled costs the thresholds are chosen for; `edge-infer tune` takes another."""


def make_bundle(
    out: Path,
    model: bytes,
    recipe: Recipe,
    labels: Sequence[str],
    splits: Splits,
    scored: Scored,
    *,
    replace: bool = False,
    progress: Progress = silent,
) -> Bundle:
    """Cut, choose thresholds on the held-back images as `edge-infer tune` does, and write.

    Args:
        out: the folder to make.
        model: one int8 model whose signature names the recipe's exits.
        recipe: how it was trained.
        labels: class names.
        splits: the images; the test side travels along only if the recipe may redistribute it.
        scored: from `score_splits`.
        replace: put it in the place of a bundle at `out`.
        progress: called with what is under way.

    Raises:
        TooFewSamplesError: the recipe holds back too few images for what it promises.
    """
    exits = _shipped_exits(model, recipe, scored, splits)
    provenance = _provenance(model, recipe, splits, scored)
    draft = _draft(model, exits, recipe, labels, splits, provenance)
    with tempfile.TemporaryDirectory() as folder:
        untuned = write_bundle(Path(folder) / draft.name, draft)
        if recipe.kind == "single":
            fitted = fit_confidence(untuned, scored.backend, held_back_data(splits), progress)
            return write_bundle(out, fitted.draft, replace=replace)
        tuning = tuned_on_held_back(untuned, recipe, splits, scored.backend, progress)
        tuned = tuned_draft(tuning, tune_document(tuning))
    read = {"adaptive": on_test(tuning, [scored.test[name] for name in exits], splits)}
    tuned = dataclasses.replace(tuned, provenance={**tuned.provenance, **read})
    return write_bundle(out, tuned, replace=replace)


def _draft(
    model: bytes,
    exits: Sequence[str],
    recipe: Recipe,
    labels: Sequence[str],
    splits: Splits,
    provenance: dict[str, Any],
) -> BundleDraft:
    samples = None
    if recipe.data.redistribute:
        samples = SampleSet(splits.test.images, splits.test.labels, recipe.data.license)
    net = Classifier(recipe.name, model, Graph(model))
    frames = FrameOptions(mean=(0.0,), std=(float(recipe.data.peak),))
    fields: dict[str, Any] = {
        "version": recipe.version,
        "description": recipe.description,
        "license": "Apache-2.0",
        "samples": samples,
        "seed": recipe.training.seed,
    }
    if recipe.kind == "single":
        draft = single_draft(net, labels, recipe.name, frames, **fields)
    else:
        draft = exits_draft(net, exits, labels, recipe.name, frames, **fields)
    return dataclasses.replace(draft, provenance=provenance)


def tuned_on_held_back(
    untuned: Bundle, recipe: Recipe, splits: Splits, backend: Backend, progress: Progress
) -> Tuning:
    """Choose the thresholds of a bundle on the held-back images, for `TUNED_FOR`."""
    return tune_bundle(
        untuned,
        backend,
        held_back_data(splits),
        read_costs(untuned, TUNED_FOR, backend.info),
        recipe.loss_bound,
        seed=recipe.training.seed,
        progress=progress,
    )


def held_back_data(splits: Splits) -> CalibrationData:
    """Return the held-back images as calibration inputs."""
    held_back = splits.held_back
    source = f"{len(held_back)} images of the training side, never trained on"
    return CalibrationData(list(held_back.images), held_back.labels.astype(np.int64), source)


def on_test(tuning: Tuning, test: Sequence[NDArray[Any]], splits: Splits) -> dict[str, Any]:
    """Read the test images once, with the thresholds as chosen: nothing is decided by it."""
    if tuning.choice is None:
        return {}
    found = outcomes(test, splits.test.labels)
    exits = found.exits(tuning.choice.thresholds)
    names = [stage.name for stage in tuning.bundle.manifest.stages]
    shares = np.bincount(exits, minlength=len(names)) / len(exits)
    return {
        "test": percent(float(found.right[exits, np.arange(len(exits))].mean())),
        "test_shares": dict(zip(names, map(percent, shares.tolist()), strict=True)),
    }


def _provenance(model: bytes, recipe: Recipe, splits: Splits, scored: Scored) -> dict[str, Any]:
    """What the manifest says of how the nets came to be, accuracies in percent."""
    figures = {
        part.name: {
            "macs": _macs(model, [part.name])[0],
            "held_back": percent(accuracy(scored.held_back[part.name], splits.held_back.labels)),
            "test": percent(accuracy(scored.test[part.name], splits.test.labels)),
        }
        for part in recipe.exits
    }
    return {**training_provenance(recipe, splits), "nets": figures}


def training_provenance(recipe: Recipe, splits: Splits) -> dict[str, Any]:
    """What a manifest says of data and training, whatever was trained."""
    return {
        "data": recipe.data.credit,
        "data_license": recipe.data.license,
        "images": {
            "train": len(splits.train),
            "held_back": len(splits.held_back),
            "test": len(splits.test),
        },
        "recipe": {"name": recipe.name, "version": recipe.version},
        "seed": recipe.training.seed,
        "training": dataclasses.asdict(recipe.training),
        "phases": [dataclasses.asdict(phase) for phase in recipe.phases],
    }


def percent(share: float) -> float:
    """Return a share in percent, to two digits."""
    return round(100 * share, 2)


def _macs(model: bytes, exits: Sequence[str]) -> list[int]:
    return [sum(op.macs for op in list_ops(Graph(part.model))) for part in cut(model, exits)]


def _shipped_exits(model: bytes, recipe: Recipe, scored: Scored, splits: Splits) -> list[str]:
    """The exits that the bundle has: all of them, or the pair of a little/big recipe."""
    if recipe.kind != "little-big":
        return [part.name for part in recipe.exits]
    labels = splits.held_back.labels
    reached = {name: accuracy(rows, labels) for name, rows in scored.held_back.items()}
    return shipped_pair(
        recipe,
        reached,
        lambda pair: outcomes([scored.held_back[name] for name in pair], labels),
        lambda pair: _macs(model, pair),
    )


def shipped_pair(
    recipe: Recipe,
    held_back_accuracy: Mapping[str, float],
    outcomes_of: Callable[[Sequence[str]], ExitOutcomes],
    macs_of: Callable[[Sequence[str]], Sequence[int]],
) -> list[str]:
    """Return the little and the big that are shipped.

    The big is the smallest that reaches the recipe's `big_target`, or the most accurate if none
    does; the little is the one whose pair needs the fewest expected multiply-accumulates. Both on
    the held-back images: nothing is chosen on the test images.

    Args:
        recipe: its exits say which nets are little; the others are bigs, smallest first.
        held_back_accuracy: of each net, 0 to 1.
        outcomes_of: outcomes of a pair on the held-back images.
        macs_of: multiply-accumulates of each net of a pair.
    """
    bigs = [part.name for part in recipe.exits if not part.little]
    fit = [name for name in bigs if 100 * held_back_accuracy[name] >= recipe.big_target]
    big = fit[0] if fit else max(bigs, key=lambda name: held_back_accuracy[name])
    littles = [part.name for part in recipe.exits if part.little]
    expected = {
        little: expected_macs(recipe, outcomes_of([little, big]), macs_of([little, big]))
        for little in littles
    }
    return [min(littles, key=lambda little: expected[little]), big]


def expected_macs(recipe: Recipe, outcomes: ExitOutcomes, macs: Sequence[int]) -> float:
    """Return the mean multiply-accumulates of a pair that keeps the recipe's promise.

    Args:
        recipe: what it promises.
        outcomes: on the held-back images.
        macs: of the little and of the big net.
    """
    costs = np.cumsum(macs).astype(float)
    split = split_calibration(outcomes, list(costs), np.random.default_rng(recipe.training.seed))
    choice = choose_thresholds(split, list(costs), recipe.loss_bound)
    return float(costs[-1]) if choice is None else choice.energy_nj
