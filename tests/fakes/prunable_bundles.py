"""A small bundle of all three ideas: three exits, three ratios below the full width."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from tests.fakes.prunable_nets import early_exits
from tests.fakes.ratio_parameters import random_ratio

from edge_infer.models_tflite.build import BundleDraft, SampleSet, write_bundle
from edge_infer.models_tflite.bundle import Bundle
from edge_infer.models_tflite.cut import cut
from edge_infer.models_tflite.describe import StageDraft
from edge_infer.models_tflite.manifest import ChosenOn, Thresholds
from edge_infer.models_tflite.prunable import own_constants
from edge_infer.models_tflite.prunable.bundling import with_ratios
from edge_infer.models_tflite.stage_spec import Preprocess

RATIOS = ("0.75", "0.5", "0.25")
CHOSEN_ON = ChosenOn("nothing", "by hand", None, None, 0)
THRESHOLDS = {
    ratio: Thresholds("score-margin", (4 + index, 5 + index), CHOSEN_ON)
    for index, ratio in enumerate(("1.0", *RATIOS))
}


def prunable_draft() -> BundleDraft:
    """Random weights and ratios, eight random samples."""
    whole = own_constants(early_exits("int8"))
    pixels = Preprocess(mean=(128.0,), std=(64.0,))  # raw = pixel - 128
    stages = [
        StageDraft(
            name=part.exit,
            model=part.model,
            reads=part.reads,
            features=part.features,
            preprocess=pixels if part.reads == "frame" else None,
        )
        for part in cut(whole, ["exit_1", "exit_2", "exit_3"])
    ]
    random = np.random.default_rng(5)
    frames = random.integers(0, 256, (8, 8, 8, 3), np.uint8)
    plain = BundleDraft(
        name="tiny-prunable",
        kinds=("early-exit",),
        labels=tuple("abcdef"),
        stages=stages,
        thresholds={"1.0": THRESHOLDS["1.0"]},
        samples=SampleSet(frames, random.integers(0, 6, 8), "made up"),
    )
    ratios = [random_ratio(whole, ratio, seed) for seed, ratio in enumerate(RATIOS)]
    return with_ratios(plain, whole, ratios, THRESHOLDS)


def write_prunable_bundle(folder: Path) -> Bundle:
    """Write the bundle below `folder`."""
    return write_bundle(folder / "tiny-prunable", prunable_draft())


HELD_BACK = {"1.0": 90.0, "0.75": 89.0, "0.5": 88.0, "0.25": 80.0}
"""Made up: how right each ratio is on held-back images, in %."""


def write_telling_bundle(folder: Path) -> Bundle:
    """Write the bundle below `folder`, with the accuracies that a joint plan needs."""
    draft = prunable_draft()
    last = draft.stages[-1].name
    told = {ratio: {"held_back": {last: found}} for ratio, found in HELD_BACK.items()}
    return write_bundle(folder / draft.name, replace(draft, provenance={"ratios": told}))
