"""From one quantised model to a bundle: choose the exits, cut there, promise, write."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models_tflite import Bundle
from models_tflite.backend import Backend, open_backend
from models_tflite.build import BundleDraft, SampleSet, write_bundle
from models_tflite.cut import cut
from models_tflite.describe import StageDraft
from models_tflite.graph import Graph
from models_tflite.manifest import ChosenOn, Thresholds
from models_tflite.ops import list_ops
from models_tflite.stage_spec import Preprocess

from .dataset import Splits
from .recipe import Recipe
from .scores import accuracy, score
from .thresholds import RULE, Choice, apply_thresholds, choose_thresholds

Scores = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Scored:
    """Raw scores of every exit by name, on the images that decide and on those that are read."""

    held_back: Scores
    test: Scores
    backend: Backend


def score_splits(model: bytes, recipe: Recipe, splits: Splits) -> Scored:
    """Run the quantised model over held-back and test images, on this platform's kernels."""
    names = [part.name for part in recipe.exits]
    backend = open_backend()

    def run(images: NDArray[np.uint8]) -> Scores:
        found = score(model, names, images, recipe.data.peak, backend)
        return dict(zip(names, found, strict=True))

    return Scored(run(splits.held_back.images), run(splits.test.images), backend)


def shipped_exits(model: bytes, recipe: Recipe, scored: Scored, splits: Splits) -> list[str]:
    """The exits that the bundle has: all of them, or the pair of a little/big recipe.

    The big is the smallest that reaches the recipe's `big_target` on the test images (the
    baseline is defined by it), or the most accurate if none does. The little is the one whose
    pair needs the fewest expected multiply-accumulates on the held-back images.
    """
    if recipe.kind == "early-exit":
        return [part.name for part in recipe.exits]
    bigs = [part.name for part in recipe.exits if not part.little]
    reached = {name: 100 * accuracy(scored.test[name], splits.test.labels) for name in bigs}
    fit = [name for name in bigs if reached[name] >= recipe.big_target]
    big = fit[0] if fit else max(bigs, key=lambda name: reached[name])

    def expected_macs(little: str) -> float:
        own, more = _macs(model, [little, big])
        choice = choose(recipe, scored, splits, [little, big])
        return own + choice.shares[-1] * more

    littles = [part.name for part in recipe.exits if part.little]
    return [min(littles, key=expected_macs), big]


def choose(recipe: Recipe, scored: Scored, splits: Splits, exits: Sequence[str]) -> Choice:
    """Thresholds for these exits that keep the recipe's promise on the held-back images."""
    return choose_thresholds(
        [scored.held_back[name] for name in exits],
        splits.held_back.labels,
        recipe.promise.allowed_loss_points,
        recipe.promise.confidence,
    )


def _percent(share: float) -> float:
    return round(100 * share, 2)


def _macs(model: bytes, exits: Sequence[str]) -> list[int]:
    return [sum(op.macs for op in list_ops(Graph(part.model))) for part in cut(model, exits)]


def provenance(
    model: bytes,
    recipe: Recipe,
    splits: Splits,
    scored: Scored,
    exits: Sequence[str],
    choice: Choice,
) -> dict[str, Any]:
    """What the manifest says of how the bundle came to be, accuracies in percent."""
    test = [scored.test[name] for name in exits]
    adaptive, shares = apply_thresholds(test, splits.test.labels, choice.values)
    figures = {
        part.name: {
            "macs": _macs(model, [part.name])[0],
            "held_back": _percent(accuracy(scored.held_back[part.name], splits.held_back.labels)),
            "test": _percent(accuracy(scored.test[part.name], splits.test.labels)),
        }
        for part in recipe.exits
    }
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
        "nets": figures,
        "adaptive": {
            "test": _percent(adaptive),
            "test_shares": dict(zip(exits, map(_percent, shares), strict=True)),
            "held_back_shares": dict(zip(exits, map(_percent, choice.shares), strict=True)),
            "held_back_loss_points": round(choice.loss_points, 3),
            "held_back_bound_points": round(choice.bound_points, 3),
        },
    }


def make_bundle(
    out: Path,
    model: bytes,
    recipe: Recipe,
    labels: Sequence[str],
    splits: Splits,
    scored: Scored,
    *,
    replace: bool = False,
) -> Bundle:
    """Cut, choose thresholds on the held-back images, and write the bundle folder.

    Args:
        out: the folder to make.
        model: one int8 model whose signature names the recipe's exits.
        recipe: how it was trained.
        labels: class names.
        splits: the images; the test side travels along only if the recipe may redistribute it.
        scored: from `score_splits`.
        replace: put it in the place of a bundle at `out`.
    """
    exits = shipped_exits(model, recipe, scored, splits)
    choice = choose(recipe, scored, splits, exits)
    frame = Preprocess(mean=(0.0,), std=(float(recipe.data.peak),))
    stages = [
        StageDraft(
            name=part.exit,
            model=part.model,
            reads=part.reads,
            features=part.features,
            preprocess=frame if part.reads == "frame" else None,
        )
        for part in cut(model, exits)
    ]
    samples = None
    if recipe.data.redistribute:
        samples = SampleSet(splits.test.images, splits.test.labels, recipe.data.license)
    draft = BundleDraft(
        name=recipe.name,
        version=recipe.version,
        kinds=(recipe.kind,),
        description=recipe.description,
        license="Apache-2.0",
        labels=tuple(labels),
        stages=stages,
        thresholds={"1.0": _thresholds(recipe, splits, choice)},
        tuned_on=scored.backend.info,
        samples=samples,
        seed=recipe.training.seed,
        provenance=provenance(model, recipe, splits, scored, exits, choice),
    )
    return write_bundle(out, draft, replace=replace)


def _thresholds(recipe: Recipe, splits: Splits, choice: Choice) -> Thresholds:
    chosen_on = ChosenOn(
        data=f"{len(splits.held_back)} images of the training side, never trained on",
        rule=RULE,
        allowed_loss_points=recipe.promise.allowed_loss_points,
        confidence=recipe.promise.confidence,
        samples=len(splits.held_back),
    )
    return Thresholds("score-margin", choice.values, chosen_on)
