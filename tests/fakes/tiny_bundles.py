"""Small bundles made of the small models, written where a test wants them."""

from pathlib import Path
from typing import Any

import numpy as np
from tests.fakes.tiny_models import EXITS, FRAME, early_exit_model, single_model

from edge_infer.models_tflite.build import BundleDraft, SampleSet, write_bundle
from edge_infer.models_tflite.bundle import Bundle
from edge_infer.models_tflite.cut import cut
from edge_infer.models_tflite.describe import StageDraft
from edge_infer.models_tflite.manifest import ChosenOn, Thresholds
from edge_infer.models_tflite.stage_spec import Preprocess

PIXELS = Preprocess(mean=(0.0,), std=(255.0,))
"""Fits the scale 1/255 and zero point -128 of the small models: raw = pixel - 128."""
LABELS = ("a", "b", "c", "d", "e")
CHOSEN_ON = ChosenOn("nothing", "by hand", None, None, 0)


def early_exit_draft(**changes: Any) -> BundleDraft:
    """Three exits, thresholds by hand, eight random samples."""
    stages = [
        StageDraft(
            name=f"exit-{index + 1}",
            model=part.model,
            reads=part.reads,
            features=part.features,
            preprocess=PIXELS if part.reads == "frame" else None,
        )
        for index, part in enumerate(cut(early_exit_model(), EXITS))
    ]
    random = np.random.default_rng(5)
    frames = random.integers(0, 256, (8, *FRAME), np.uint8)
    fields: dict[str, Any] = {
        "name": "tiny-early-exit",
        "kinds": ("early-exit",),
        "labels": LABELS,
        "stages": stages,
        "thresholds": {"1.0": Thresholds("score-margin", (40, (20, 30, 20, 10, 0)), CHOSEN_ON)},
        "samples": SampleSet(frames, random.integers(0, 5, 8), "made up"),
        "provenance": {"data": "random"},
    }
    return BundleDraft(**(fields | changes))


def single_draft(**changes: Any) -> BundleDraft:
    """One stage, no samples."""
    stage = StageDraft("net", single_model(), preprocess=PIXELS)
    fields: dict[str, Any] = {
        "name": "tiny-single",
        "kinds": ("single",),
        "labels": LABELS,
        "stages": [stage],
    }
    return BundleDraft(**(fields | changes))


def write_early_exit(folder: Path) -> Bundle:
    """Write the early-exit bundle below `folder`."""
    return write_bundle(folder / "tiny-early-exit", early_exit_draft())


def write_single(folder: Path) -> Bundle:
    """Write the bundle of one stage below `folder`."""
    return write_bundle(folder / "tiny-single", single_draft())
