"""A bundle of one plain classifier: any .tflite, in one call."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from edge_infer.models_tflite.build import BundleDraft, SampleSet, write_bundle
from edge_infer.models_tflite.bundle import Bundle
from edge_infer.models_tflite.classifier import (
    Classifier,
    FrameOptions,
    fit_labels,
    read_classifier,
)


def build_single(
    model_path: Path,
    out: Path,
    *,
    name: str,
    labels: Sequence[str] | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    source: Literal["uint8", "float32"] = "uint8",
    resize: Literal["none", "bilinear", "nearest"] = "none",
    description: str = "",
    license: str = "",
    samples: SampleSet | None = None,
    replace: bool = False,
) -> Bundle:
    """Write a bundle of one stage from a .tflite classifier.

    Args:
        model_path: the model: one input, one output of two or more class scores.
        out: the bundle folder to make.
        name: name of the bundle.
        labels: one per class, or one less than the head has values if it starts with a
            background class; the class numbers if None.
        mean: what is subtracted from a frame, one or one per channel, in frame units; by default
            pixels enter as they are (`identity_preprocess`).
        std: what the difference is divided by.
        source: dtype of the frames.
        resize: how frames of another size are fitted.
        description: one sentence.
        license: the model's licence.
        samples: real inputs to travel along.
        replace: put it in the place of a bundle that stands at `out`.

    Raises:
        BundleNotFoundError: there is no file at `model_path`.
        ModelError: the file is damaged, or the interpreter cannot load and run it.
        ModelNotSupportedError: several inputs or outputs, dynamic shapes, custom operators, no
            classifier, or labels that do not fit.
    """
    draft = single_draft(
        read_classifier(model_path),
        labels,
        name,
        FrameOptions(mean, std, source, resize),
        description=description,
        license=license,
        samples=samples,
    )
    return write_bundle(out, draft, replace=replace)


def single_draft(
    net: Classifier, labels: Sequence[str] | None, name: str, frames: FrameOptions, **fields: Any
) -> BundleDraft:
    """Return the draft of a bundle of one plain net.

    Args:
        net: the model.
        labels: one per class, or one less with a background class; class numbers if None.
        name: name of the bundle.
        frames: how frames enter the model.
        **fields: more of `BundleDraft`.

    Raises:
        ModelNotSupportedError: the labels do not fit.
    """
    fitted, offset = fit_labels(labels, net.classes)
    return BundleDraft(
        name=name,
        kinds=("single",),
        labels=fitted,
        stages=[net.stage("net", frames, offset)],
        provenance=net.provenance(),
        **fields,
    )
