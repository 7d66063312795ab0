"""A little/big bundle of any two classifiers with the same classes."""

from collections.abc import Sequence
from dataclasses import replace as replaced
from typing import Any

from edge_infer.models_tflite.build import BundleDraft
from edge_infer.models_tflite.classifier import Classifier, FrameOptions, fit_labels
from edge_infer.models_tflite.errors import ModelNotSupportedError
from edge_infer.models_tflite.graph import Tensor
from edge_infer.models_tflite.manifest import FULL_RATIO
from edge_infer.models_tflite.threshold_values import untuned

LITTLE, BIG = "little", "big"


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
    resized. Until it is tuned, no frame leaves at the little net.

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
        thresholds={FULL_RATIO: untuned([_head(little)])},
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


def _head(net: Classifier) -> Tensor:
    return net.graph.tensors[net.graph.outputs[0]]


def _resizing(options: FrameOptions) -> FrameOptions:
    return replaced(options, resize="bilinear") if options.resize == "none" else options
