"""Bundle drafts of classifiers that somebody brings along: one, a pair, or one cut at its exits.

Until it is tuned, no frame leaves such a bundle before its last stage.
"""

import re
from collections.abc import Sequence
from dataclasses import replace as replaced
from itertools import pairwise
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
from edge_infer.models_tflite.cut import cut
from edge_infer.models_tflite.describe import StageDraft
from edge_infer.models_tflite.errors import CutError, ModelNotSupportedError
from edge_infer.models_tflite.graph import Graph, Tensor
from edge_infer.models_tflite.manifest import FULL_RATIO, Kind, untuned
from edge_infer.models_tflite.ops import list_ops

LITTLE, BIG = "little", "big"
_STAGE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,90}")


def build_single(
    model_path: Path,
    out: Path,
    *,
    name: str,
    labels: Sequence[str] | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    source: Literal["uint8", "int8", "float32"] = "uint8",
    resize: Literal["none", "bilinear", "nearest"] = "none",
    background: tuple[int, ...] | None = None,
    description: str = "",
    license: str = "",
    samples: SampleSet | None = None,
    replace: bool = False,
    head: str | None = None,
) -> Bundle:
    """Write a bundle of one stage from a .tflite classifier.

    Args:
        model_path: the model: one input, one output of two or more class scores.
        out: the bundle folder to make.
        name: name of the bundle.
        labels: one per class, or one less than the head has values if it starts with a
            background class; if None those inside the model, else the class numbers.
        mean: what is subtracted from a frame, one or one per channel, in frame units; by default
            pixels enter as they are (`identity_preprocess`).
        std: what the difference is divided by.
        source: dtype of the frames; int8 are the integers of the model's own input.
        resize: how frames of another size are fitted.
        background: what stands behind transparent images; they are refused if None.
        description: one sentence.
        license: the model's licence.
        samples: real inputs to travel along.
        replace: put it in the place of a bundle that stands at `out`.
        head: name of the output that has the class scores, for a model of several or of none that
            shows by itself to be a classifier's.

    Raises:
        BundleNotFoundError: there is no file at `model_path`.
        ModelError: the file is damaged, or the interpreter cannot load and run it.
        ModelNotSupportedError: several inputs or outputs, dynamic shapes, custom operators, no
            classifier, or labels that do not fit.
    """
    net = read_classifier(model_path, head=head, labels=labels)
    draft = single_draft(
        net,
        net.inside.labels if net.inside else labels,
        name,
        FrameOptions(mean, std, source, resize, background),
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


def pair_draft(
    little: Classifier,
    big: Classifier,
    labels: Sequence[str],
    name: str,
    little_frames: FrameOptions,
    big_frames: FrameOptions,
    **fields: Any,
) -> BundleDraft:
    """Return the draft of a bundle that asks the big net only where the little one is unsure.

    Each net reads the frame through its own preprocessing; where their sizes differ, frames are
    resized.

    Args:
        little: the net that answers first.
        big: the net that answers the rest.
        labels: the classes of both; a net with one score more has a background class in front.
        name: name of the bundle.
        little_frames: how frames enter the little net.
        big_frames: how frames enter the big net.
        **fields: more of `BundleDraft`.

    Raises:
        ModelNotSupportedError: the classes or the channels of the nets differ.
    """
    _check_channels(little, big)
    if _size(little) != _size(big):
        little_frames, big_frames = _resizing(little_frames), _resizing(big_frames)
    stages = [
        net.stage(stage, frames, _offset(net, labels))
        for net, stage, frames in ((little, LITTLE, little_frames), (big, BIG, big_frames))
    ]
    return BundleDraft(
        name=name,
        kinds=("little-big",),
        labels=labels,
        stages=stages,
        thresholds={FULL_RATIO: untuned([_head(little.graph).dtype])},
        provenance={LITTLE: little.provenance(), BIG: big.provenance()},
        **fields,
    )


def _offset(net: Classifier, labels: Sequence[str]) -> int:
    try:
        return fit_labels(labels, net.classes)[1]
    except ModelNotSupportedError as error:
        raise ModelNotSupportedError(f"{net.name}: {error}") from None


def _check_channels(little: Classifier, big: Classifier) -> None:
    shapes = [_frame_shape(net) for net in (little, big)]
    if shapes[0] != shapes[1] and (
        len(shapes[0]) != 3 or len(shapes[1]) != 3 or shapes[0][2] != shapes[1][2]
    ):
        raise ModelNotSupportedError(
            f"{little.name} takes {list(shapes[0])}, {big.name} takes {list(shapes[1])}: sizes may "
            "differ (frames are resized), channels and dimensions may not"
        )


def _frame_shape(net: Classifier) -> tuple[int, ...]:
    shape = net.graph.tensors[net.graph.inputs[0]].shape[1:]
    return (*shape[1:], shape[0]) if net.layout == "NCHW" else shape


def _size(net: Classifier) -> tuple[int, ...]:
    return _frame_shape(net)[:2]


def _resizing(options: FrameOptions) -> FrameOptions:
    return replaced(options, resize="bilinear") if options.resize == "none" else options


def exits_draft(
    net: Classifier,
    exits: Sequence[str],
    labels: Sequence[str] | None,
    name: str,
    frames: FrameOptions,
    **fields: Any,
) -> BundleDraft:
    """Return the draft of a bundle whose stages are bit-exact pieces of the model.

    Args:
        net: the model.
        exits: names of its heads, first to last, two or more.
        labels: one per class, or one less with a background class; class numbers if None.
        name: name of the bundle.
        frames: how frames enter the model.
        **fields: more of `BundleDraft`.

    Raises:
        CutError: the model cannot be cut there, a later exit takes less than an earlier one, or
            the heads have different numbers of scores.
        ModelNotSupportedError: the labels do not fit.
    """
    if len(exits) < 2:
        raise CutError(f"{len(exits)} exit: an adaptive bundle has two or more")
    try:
        parts = cut(net.model, exits)
        _check_order(net.model, exits)
    except CutError as error:
        raise CutError(f"{net.name}: {error}") from None
    heads = [_head(Graph(part.model)) for part in parts]
    sizes = {head.elements for head in heads}
    if len(sizes) > 1:
        counts = ", ".join(f"{x} {head.elements}" for x, head in zip(exits, heads, strict=True))
        raise CutError(f"the exits differ in their number of scores: {counts}")
    fitted, offset = fit_labels(labels, sizes.pop())
    stages = [
        StageDraft(
            name=stage_name,
            model=part.model,
            reads=part.reads,
            features=part.features,
            preprocess=net.preprocess(frames) if part.reads == "frame" else None,
            label_offset=offset,
            origin=f"{net.name}, {stage_name}",
        )
        for part, stage_name in zip(parts, _stage_names(exits), strict=True)
    ]
    kind: Kind = "early-exit" if parts[-1].reads == "previous" else "little-big"
    return BundleDraft(
        name=name,
        kinds=(kind,),
        labels=fitted,
        stages=stages,
        thresholds={FULL_RATIO: untuned([head.dtype for head in heads[:-1]])},
        provenance=net.provenance() | {"cut_at": list(exits)},
        **fields,
    )


def _check_order(model: bytes, exits: Sequence[str]) -> None:
    macs = [sum(op.macs for op in list_ops(Graph(cut(model, [name])[0].model))) for name in exits]
    for (before, less), (after, more) in pairwise(zip(exits, macs, strict=True)):
        if more < less:
            raise CutError(
                f"exit {after!r} takes {more} MACs, {before!r} before it {less}: name the exits "
                "first to last"
            )


def _head(graph: Graph) -> Tensor:
    return graph.tensors[graph.outputs[0]]


def _stage_names(exits: Sequence[str]) -> list[str]:
    """Return the exits' own names where they can name files, else exit1, exit2, ..."""
    if all(map(_STAGE_NAME.fullmatch, exits)):
        return list(exits)
    return [f"exit{number}" for number in range(1, len(exits) + 1)]
