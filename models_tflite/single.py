"""A bundle of one plain classifier: any .tflite, in one call."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace as replaced
from pathlib import Path
from typing import Any, Literal

from models_tflite.build import BundleDraft, SampleSet, write_bundle
from models_tflite.bundle import Bundle
from models_tflite.describe import StageDraft, identity_preprocess
from models_tflite.errors import BundleNotFoundError, ModelError, ModelNotSupportedError
from models_tflite.graph import Graph
from models_tflite.lint import lint_model
from models_tflite.stage_spec import Preprocess

BACKGROUND_CLASSES = 1
"""ImageNet models of the TF-slim family put a background class before the 1000 labels."""


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
    if not model_path.is_file():
        raise BundleNotFoundError(f"no model at {model_path}: give a .tflite file")
    model = model_path.read_bytes()
    graph = _classifier_graph(model, model_path.name)
    classes = graph.tensors[graph.outputs[0]].elements
    labels, offset = _fit_labels(labels, classes)
    preprocess = _preprocess(graph, source, mean, std)
    stage = StageDraft(
        name="net",
        model=model,
        preprocess=replaced(preprocess, source=source, resize=resize),
        label_offset=offset,
    )
    draft = BundleDraft(
        name=name,
        kinds=("single",),
        labels=labels,
        stages=[stage],
        description=description,
        license=license,
        samples=samples,
        provenance=_provenance(model_path, model),
    )
    return write_bundle(out, draft, replace=replace)


def _classifier_graph(model: bytes, name: str) -> Graph:
    try:
        graph = Graph(model)
    except ModelError as error:
        raise ModelError(f"{name}: {error}") from None
    for finding in lint_model(graph, name):
        if finding.severity == "error":
            raise ModelNotSupportedError(f"{finding.where}: {finding.what}: {finding.advice}")
    head = graph.tensors[graph.outputs[0]]
    if head.elements < 2:
        raise ModelNotSupportedError(
            f"{name}: the output {head.name} has {head.elements} value: not a classifier, which "
            "has a score for each of two or more classes"
        )
    return graph


def _fit_labels(labels: Sequence[str] | None, classes: int) -> tuple[Sequence[str], int]:
    if labels is None:
        return [str(number) for number in range(classes)], 0
    offset = classes - len(labels)
    if offset not in (0, BACKGROUND_CLASSES):
        raise ModelNotSupportedError(
            f"{len(labels)} labels for {classes} scores: give {classes}, or {classes - 1} if the "
            "first score is a background class"
        )
    return labels, offset


def _preprocess(
    graph: Graph,
    source: Literal["uint8", "float32"],
    mean: Sequence[float] | None,
    std: Sequence[float] | None,
) -> Preprocess:
    if mean is None and std is None and source == "uint8":
        return identity_preprocess(graph)
    plain = Preprocess()
    return Preprocess(mean=tuple(mean or plain.mean), std=tuple(std or plain.std))


def _provenance(path: Path, model: bytes) -> Mapping[str, Any]:
    return {"model": path.name, "model_sha256": hashlib.sha256(model).hexdigest()}
