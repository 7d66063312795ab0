"""An early-exit bundle of one model with several outputs, cut at its exits."""

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from edge_infer.models_tflite.build import BundleDraft
from edge_infer.models_tflite.classifier import Classifier, FrameOptions, fit_labels
from edge_infer.models_tflite.cut import cut
from edge_infer.models_tflite.describe import StageDraft
from edge_infer.models_tflite.errors import CutError
from edge_infer.models_tflite.graph import Graph, Tensor
from edge_infer.models_tflite.manifest import FULL_RATIO, Kind
from edge_infer.models_tflite.ops import list_ops
from edge_infer.models_tflite.threshold_values import untuned

_STAGE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,90}")


def exits_draft(
    net: Classifier,
    exits: Sequence[str],
    labels: Sequence[str] | None,
    name: str,
    frames: FrameOptions,
    **fields: Any,
) -> BundleDraft:
    """Return the draft of a bundle whose stages are bit-exact pieces of the model.

    Until it is tuned, no frame leaves before the last exit.

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
    parts = cut(net.model, exits)
    _check_order(net.model, exits)
    heads = [_head(part.model) for part in parts]
    sizes = {head.elements for head in heads}
    if len(sizes) > 1:
        told = ", ".join(f"{x} {head.elements}" for x, head in zip(exits, heads, strict=True))
        raise CutError(f"the exits differ in their number of scores: {told}")
    fitted, offset = fit_labels(labels, sizes.pop())
    stages = [
        StageDraft(
            name=stage_name,
            model=part.model,
            reads=part.reads,
            features=part.features,
            preprocess=net.preprocess(frames) if part.reads == "frame" else None,
            label_offset=offset,
        )
        for part, stage_name in zip(parts, _stage_names(exits), strict=True)
    ]
    kind: Kind = "early-exit" if parts[-1].reads == "previous" else "little-big"
    return BundleDraft(
        name=name,
        kinds=(kind,),
        labels=fitted,
        stages=stages,
        thresholds={FULL_RATIO: untuned(heads[:-1])},
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


def _head(model: bytes) -> Tensor:
    graph = Graph(model)
    return graph.tensors[graph.outputs[0]]


def _stage_names(exits: Sequence[str]) -> list[str]:
    """Return the exits' own names where they can name files, else exit1, exit2, ..."""
    if all(map(_STAGE_NAME.fullmatch, exits)):
        return list(exits)
    return [f"exit{number}" for number in range(1, len(exits) + 1)]
