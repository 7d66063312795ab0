"""What every ratio of a bundle answers to images held back from training, and to test images."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_infer.commands.render import note
from edge_infer.lab.replay.scored_frames import score_frames
from edge_infer.lab.reproduce.all_in_one_ideas import Answers, RatioAnswers
from edge_infer.lab.train.dataset import Dataset
from edge_infer.lab.train.sources import Source, held_back_of, open_source
from edge_infer.lab.tuning import ExitOutcomes
from edge_infer.models_tflite import Bundle
from edge_infer.models_tflite.backend import Backend
from edge_infer.models_tflite.redraft import bundle_at
from edge_infer.models_tflite.stage import load_stages
from edge_infer.runtime.errors import RunError
from edge_infer.runtime.exit_criterion import CriterionName, confidences

RULE: CriterionName = "score-margin"


def read_data(folder: Path) -> tuple[Source, Dataset]:
    """Read a data set; return it and its test side.

    Raises:
        RunError: it has no test side.
    """
    source = open_source(str(folder))
    if source.test is None:
        raise RunError(f"{folder}: has no test side")
    return source, source.test


def ratio_answers(
    bundle: Bundle, backend: Backend, source: Source, test: Dataset, folder: Path
) -> dict[str, RatioAnswers]:
    """Score a bundle at all its ratios, widest first.

    Args:
        bundle: prunable, from `edge-infer train`, with two exits or more.
        backend: to run it with.
        source: the data set that it was trained on.
        test: its test side.
        folder: to write each ratio to as a bundle of its own.

    Raises:
        RunError: the bundle has one exit, or another data set was trained on.
    """
    if len(bundle.manifest.stages) < 2:
        raise RunError(f"{bundle.manifest.name} has one exit: give a bundle with early exits")
    held_back = held_back_of(bundle, source, "the data set")
    sides = {"held_back": held_back, "test": (test.images, test.labels)}
    found: dict[str, RatioAnswers] = {}
    for ratio in sorted(bundle.manifest.ratios, key=float, reverse=True):
        note(f"scoring {bundle.manifest.name} at ratio {ratio}")
        stages = load_stages(bundle, backend, ratio=ratio)
        outcomes, surest = {}, {}
        for side, (images, labels) in sides.items():
            scores = score_frames(stages, list(images))
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
