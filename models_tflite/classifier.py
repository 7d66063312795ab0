"""A classifier somebody brings along: what its file says, and how frames enter it."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace as replaced
from pathlib import Path
from typing import Any, Literal

from edge_infer.models_tflite.cut import cut
from edge_infer.models_tflite.describe import StageDraft, identity_preprocess, tensor_spec
from edge_infer.models_tflite.errors import (
    BundleNotFoundError,
    CutError,
    ModelError,
    ModelNotSupportedError,
)
from edge_infer.models_tflite.graph import Graph
from edge_infer.models_tflite.heads import check_classifier, check_depends, check_parameters
from edge_infer.models_tflite.input_mapping import refuse_unit_constants
from edge_infer.models_tflite.label_file import LabelList, model_labels, surplus_text
from edge_infer.models_tflite.lint import lint_model, lint_stage
from edge_infer.models_tflite.stage_spec import Preprocess, StageInput
from edge_infer.models_tflite.tensors import outputs_text

BACKGROUND_CLASSES = 1
"""ImageNet models of the TF-slim family put a background class before the 1000 labels."""
MOST_CLASSES = 100_000
"""A head with more scores is no classifier's: ImageNet-21k has 21,843 classes."""
_CHANNELS = (1, 3)
"""A size that tells channels from height and width."""


@dataclass(frozen=True)
class FrameOptions:
    """How frames are to enter a model."""

    mean: Sequence[float] | None = None
    """Subtracted, one or one per channel, in frame units; by default pixels enter as they are."""
    std: Sequence[float] | None = None
    """What the difference is divided by."""
    source: Literal["uint8", "int8", "float32"] = "uint8"
    """Dtype of the frames; int8 are the model's own input integers."""
    resize: Literal["none", "bilinear", "nearest"] = "none"
    """How frames of another size are fitted."""
    background: tuple[int, ...] | None = None
    """What stands behind transparent images."""


@dataclass(frozen=True)
class Classifier:
    """A .tflite file that was read and looked through."""

    name: str
    model: bytes
    graph: Graph
    inside: LabelList | None = None
    """The labels that travel in the file."""

    @property
    def classes(self) -> int:
        """Scores of the last output, a background class included."""
        return self.graph.tensors[self.graph.outputs[-1]].elements

    def preprocess(self, options: FrameOptions) -> Preprocess:
        """Return how frames become this model's input.

        Raises:
            ModelNotSupportedError: the options are of another kind of input, or contradict.
        """
        self._check_options(options)
        if options.mean is None and options.std is None and options.source != "float32":
            found = identity_preprocess(self.graph, options.source)
        else:
            plain = Preprocess()
            mean, std = options.mean or plain.mean, options.std or plain.std
            found = Preprocess(mean=tuple(mean), std=tuple(std))
        found = replaced(
            found,
            source=options.source,
            resize=options.resize,
            layout=self.layout,
            background=options.background,
        )
        tensors = (tensor_spec(self.graph.tensors[self.graph.inputs[0]]),)
        try:
            refuse_unit_constants(StageInput("frame", tensors, found), options.mean, options.std)
        except ModelNotSupportedError as error:
            raise ModelNotSupportedError(f"{self.name}: {error}") from None
        return found

    def _check_options(self, options: FrameOptions) -> None:
        tensor = self.graph.tensors[self.graph.inputs[0]]
        what = f"the input {tensor.name} {list(tensor.shape)} {tensor.dtype}"
        picture = len(tensor.shape) == 4
        if not picture and (options.resize != "none" or options.background is not None):
            flag = "--background" if options.resize == "none" else "--resize"
            raise ModelNotSupportedError(
                f"{self.name}: {flag} is for pictures [H, W, C], not for {what}"
            )
        if len(tensor.shape) < 2:
            raise ModelNotSupportedError(f"{self.name}: {what} is a single value, no frame")
        channels = tensor.shape[1] if self.layout == "NCHW" else tensor.shape[-1]
        for flag, given in (("--mean", options.mean), ("--std", options.std)):
            if given is not None and len(given) not in (1, channels):
                raise ModelNotSupportedError(
                    f"{self.name}: {flag} has {len(given)} values, {what} has {channels} channels: "
                    "give one, or one for each channel"
                )
            if given is not None and options.source == "int8" and tensor.dtype != "float32":
                raise ModelNotSupportedError(
                    f"{self.name}: {flag} does not go with --source int8, whose frames are the "
                    f"model's own integers, {what}: leave it out"
                )

    @property
    def layout(self) -> Literal["NHWC", "NCHW"]:
        """Layout of the input tensor, told by where 1 or 3 channels stand."""
        shape = self.graph.tensors[self.graph.inputs[0]].shape
        channels_first = len(shape) == 4 and shape[1] in _CHANNELS and shape[3] not in _CHANNELS
        return "NCHW" if channels_first else "NHWC"

    def stage(self, name: str, options: FrameOptions, label_offset: int) -> StageDraft:
        """Return the whole model as a stage that reads the frame."""
        return StageDraft(
            name=name,
            model=self.model,
            preprocess=self.preprocess(options),
            label_offset=label_offset,
            origin=self.name,
        )

    def provenance(self) -> dict[str, Any]:
        """Return which file it was."""
        return {"model": self.name, "model_sha256": hashlib.sha256(self.model).hexdigest()}


def read_classifier(
    path: Path,
    *,
    several_outputs: bool = False,
    head: str | None = None,
    labels: Sequence[str] | None = None,
) -> Classifier:
    """Read a .tflite classifier.

    Args:
        path: the file: one input, one output of two or more class scores.
        several_outputs: it may have several, to be cut at.
        head: name of the output that has the class scores; what it does not need is dropped.
        labels: those of the scores, if any were given: then no softmax is asked for, as where the
            file carries labels.

    Raises:
        BundleNotFoundError: there is no file.
        ModelError: the file is damaged, or an integer input lacks its scale.
        ModelNotSupportedError: several inputs or outputs, dynamic shapes, custom operators, no
            classifier, or labels that do not fit.
        LabelFileError: it carries several lists of labels that fit.
        CutError: there is no output `head`.
    """
    if not path.is_file():
        raise BundleNotFoundError(f"no model at {path}: give a .tflite file")
    model = content = _read_file(path)
    graph = _read_graph(model, path.name)
    if head is not None:
        model = _ending_at(model, graph, head, path.name)
        graph = _read_graph(model, path.name)
    check_parameters(graph, path.name)
    findings = (lint_stage if several_outputs else lint_model)(graph, path.name)
    for finding in findings:
        if finding.severity == "error":
            raise ModelNotSupportedError(f"{finding.where}: {finding.what}: {finding.advice}")
    outputs = graph.outputs if several_outputs else graph.outputs[-1:]
    sizes = [graph.tensors[index].elements for index in outputs]
    inside = None if labels is not None else model_labels(content, sizes)
    found = Classifier(path.name, model, graph, inside)
    if not several_outputs:
        _check_head(found, head is not None, labels)
    return found


def _check_head(net: Classifier, named: bool, labels: Sequence[str] | None) -> None:
    """Check that the output is a classifier's, or was named, and that labels fit it."""
    check_depends(net.graph, net.name)
    if not named or net.classes < 2:
        check_classifier(net.graph, net.name, labels is not None or net.inside is not None)
    try:
        fit_labels(labels, net.classes)
    except ModelNotSupportedError as error:
        where = f"{net.name}: the output {outputs_text(net.graph)}"
        raise ModelNotSupportedError(f"{where}: {error}") from None


def _read_file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BundleNotFoundError(f"{path}: cannot be read: {error.strerror}") from None


def _read_graph(model: bytes, name: str) -> Graph:
    try:
        return Graph(model)
    except (ModelError, ModelNotSupportedError) as error:
        raise type(error)(f"{name}: {error}") from None


def _ending_at(model: bytes, graph: Graph, head: str, name: str) -> bytes:
    """Return a model that ends at an output; the very bytes where it does already."""
    if len(graph.outputs) == 1 and graph.output_names().get(head) == graph.outputs[0]:
        return model
    try:
        return cut(model, [head])[0].model
    except CutError as error:
        raise CutError(f"{name}: {error}") from None


def fit_labels(labels: Sequence[str] | None, classes: int) -> tuple[Sequence[str], int]:
    """Return the labels of a head and how many of its first values have none.

    Args:
        labels: one per class, or one less than the head has values if it starts with a background
            class; the class numbers if None.
        classes: values of the head.

    Raises:
        ModelNotSupportedError: the numbers do not fit.
    """
    if classes > MOST_CLASSES:
        raise ModelNotSupportedError(f"{classes} scores: a classifier has up to {MOST_CLASSES}")
    if labels is None:
        return [str(number) for number in range(classes)], 0
    offset = classes - len(labels)
    if offset not in (0, BACKGROUND_CLASSES):
        raise ModelNotSupportedError(
            f"{len(labels)} labels for {classes} scores: give {classes}, or {classes - 1} if the "
            f"first score is a background class{surplus_text(labels, classes)}"
        )
    return labels, offset
