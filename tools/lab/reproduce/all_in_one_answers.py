"""What every ratio of a bundle answers to images held back from training, and to test images."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_infer.lab.progress import Progress, silent
from edge_infer.lab.train.dataset import Dataset
from edge_infer.lab.train.sources import Source, held_back_of
from edge_infer.lab.tuning import ExitOutcomes
from edge_infer.lab.tuning.exit_outcomes import Thresholds
from edge_infer.lab.tuning.threshold_choice import learned_path, sinking_path
from edge_infer.models_tflite import Bundle
from edge_infer.models_tflite.backend import Backend
from edge_infer.models_tflite.golden import run_all
from edge_infer.models_tflite.redraft import bundle_at
from edge_infer.models_tflite.stage import load_stages
from edge_infer.runtime.errors import RunError
from edge_infer.runtime.exit_criterion import CriterionName, confidences

RULE: CriterionName = "score-margin"


@dataclass(frozen=True)
class Answers:
    """What nets or exits that are asked in turn answer; one net alone has no thresholds."""

    held_back: ExitOutcomes
    test: ExitOutcomes

    @cached_property
    def path(self) -> list[Thresholds]:
        """Thresholds to choose from, from never leaving early to always."""
        early = len(self.held_back.confidence)
        if early == 0:
            return [()]
        if early == 1:
            return sinking_path(self.held_back)
        # Each exit costs one more: a path is there to choose from, whatever the board.
        return learned_path(self.held_back, [float(k) for k in range(1, early + 2)])

    @cached_property
    def accuracy(self) -> NDArray[np.float64]:
        """Share of right held-back answers along the path."""
        return np.array([accuracy_of(self.held_back, point) for point in self.path])

    @cached_property
    def shares(self) -> NDArray[np.float64]:
        """Share of the held-back images by exit, along the path: shape [points, exits]."""
        return np.array([self.held_back.shares(point) for point in self.path])

    @cached_property
    def test_accuracy(self) -> NDArray[np.float64]:
        """Share of right test answers along the path."""
        return np.array([accuracy_of(self.test, point) for point in self.path])

    @cached_property
    def test_shares(self) -> NDArray[np.float64]:
        """Share of the test images by exit, along the path: shape [points, exits]."""
        return np.array([self.test.shares(point) for point in self.path])


def accuracy_of(outcomes: ExitOutcomes, thresholds: Thresholds) -> float:
    """Return the share of right answers when inputs leave at thresholds."""
    exits = outcomes.exits(thresholds)
    return float(outcomes.right[exits, np.arange(len(exits))].mean())


@dataclass(frozen=True)
class RatioAnswers:
    """What a ratio of a bundle answers."""

    plain: Bundle
    """The ratio as a bundle of its own."""
    net: Answers
    """Without exits."""
    exits: Answers
    first: Answers | None
    """Without exits, before the full net; None for the full net itself."""


def ratio_answers(
    bundle: Bundle,
    backend: Backend,
    source: Source,
    test: Dataset,
    folder: Path,
    progress: Progress = silent,
) -> dict[str, RatioAnswers]:
    """Score a bundle at all its ratios, widest first.

    Args:
        bundle: prunable, from `edge-infer train`, with two exits or more.
        backend: to run it with.
        source: the data set that it was trained on.
        test: its test side.
        folder: to write each ratio to as a bundle of its own.
        progress: called with each ratio.

    Raises:
        RunError: the bundle has one exit, or another data set was trained on.
    """
    if len(bundle.manifest.stages) < 2:
        raise RunError(f"{bundle.manifest.name} has one exit: give a bundle with early exits")
    held_back = held_back_of(bundle, source, "the data set")
    sides = {"held_back": held_back, "test": (test.images, test.labels)}
    found: dict[str, RatioAnswers] = {}
    for ratio in sorted(bundle.manifest.ratios, key=float, reverse=True):
        progress(f"scoring {bundle.manifest.name} at ratio {ratio}")
        stages = load_stages(bundle, backend, ratio=ratio)
        outcomes, surest = {}, {}
        for side, (images, labels) in sides.items():
            scores = run_all(stages, list(images))
            outcomes[side] = ExitOutcomes.of_scores(scores, labels, RULE, [1.0] * len(scores))
            surest[side] = confidences(RULE, scores[-1])[1]
        net = Answers(*(_nets([], [outcomes[side]]) for side in sides))
        first = None
        if found:
            full = next(iter(found.values())).exits
            pairs = zip(sides, (full.held_back, full.test), strict=True)
            first = Answers(*(_nets([surest[s]], [outcomes[s], whole]) for s, whole in pairs))
        exits = Answers(outcomes["held_back"], outcomes["test"])
        found[ratio] = RatioAnswers(bundle_at(bundle, ratio, folder / ratio), net, exits, first)
    return found


def _nets(confidence: Sequence[NDArray[np.float64]], nets: Sequence[ExitOutcomes]) -> ExitOutcomes:
    """Return outcomes of the last exits of nets that are asked in turn."""
    right = np.array([net.right[-1] for net in nets])
    return ExitOutcomes(np.array(confidence).reshape(len(nets) - 1, right.shape[1]), right)
