"""Heads for the exits of a net: the last one first, for the others learn from it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_infer.lab.adapt.backbone import Backbone
from edge_infer.lab.adapt.exit_choice import choose_exits
from edge_infer.lab.adapt.exit_points import ExitPoint
from edge_infer.lab.adapt.fitting_part import FittingPart
from edge_infer.lab.adapt.head_fit import FittedHead, fit_head, out_of_fold
from edge_infer.lab.adapt.head_quantisation import quantised_head
from edge_infer.lab.progress import Progress
from edge_infer.models_tflite.attached_heads import attach_heads
from edge_infer.models_tflite.graph import Graph

_RANKING_PENALTY = 0.01
"""Of heads that only rank points."""
_RANKED_ON = 3000
"""Pictures that points are ranked on."""
_STEMS = ("exit", "adapted", "adapted-exit")
"""What heads are called, with a number; the first that no tensor of the net is called."""


@dataclass(frozen=True)
class FittedExit:
    """An exit and what is known of it before it is tuned."""

    name: str
    """Of the tensor of its scores."""
    point: ExitPoint
    head: FittedHead | None
    """None for the net's own."""


def fit_exits(
    backbone: Backbone,
    part: FittingPart,
    candidates: Sequence[ExitPoint],
    early: int,
    allowed_loss: float,
    progress: Progress,
) -> tuple[FittedExit, ...]:
    """Fit the last exit and as many early ones as wanted, at the points that save most.

    Args:
        backbone: the net.
        part: what to fit on.
        candidates: points of early exits, first to last.
        early: how many of them to choose.
        allowed_loss: share of answers that may be lost, to choose by.
        progress: called with what is under way.
    """
    last, targets = None, part.targets
    teacher = part.own_logits
    if teacher is None:
        progress("fitting the last exit")
        features = part.features[backbone.points.last.tensor.index]
        last = fit_head(features, targets)
        teacher = last.logits(features)
    taught = targets.taught(teacher)
    if early < len(candidates):
        candidates = _chosen(backbone, part, candidates, early, allowed_loss, teacher, progress)
    heads = []
    for number, point in enumerate(candidates, 1):
        progress(f"fitting exit {number} of {early}, at {point.name}")
        heads.append(fit_head(part.features[point.tensor.index], taught))
    names = head_names(backbone.net.graph, early + 1)
    ends = [*zip(candidates, heads, strict=True), (backbone.points.last, last)]
    if backbone.own is not None:
        names[-1] = backbone.own.tensor
    return tuple(FittedExit(n, *end) for n, end in zip(names, ends, strict=True))


def _chosen(
    backbone: Backbone, part: FittingPart, candidates: Sequence[ExitPoint], early: int,
    allowed_loss: float, teacher: NDArray[np.float32], progress: Progress,
) -> list[ExitPoint]:  # fmt: skip
    shown = np.flatnonzero(part.targets.as_they_are)
    rows = shown[np.random.default_rng(0).permutation(len(shown))[:_RANKED_ON]]
    targets = part.targets.taken(rows)
    taught = targets.taught(teacher[rows])

    def held_out(point: ExitPoint, what: object) -> NDArray[np.float32]:
        progress(f"ranking {len(candidates)} points: {point.name}")
        features = part.features[point.tensor.index].taken(rows)
        return out_of_fold(features, targets if what is None else taught, _RANKING_PENALTY)

    last = teacher[rows] if backbone.own is not None else held_out(backbone.points.last, None)
    logits = [held_out(point, taught) for point in candidates]
    macs = [*(point.macs for point in candidates), backbone.points.macs]
    places = choose_exits(logits, last, targets.labels, macs, early, allowed_loss, progress)
    return [candidates[place] for place in places]


def head_names(graph: Graph, count: int) -> list[str]:
    """Return names for heads that no tensor of a net has."""
    known = {tensor.name.partition("/")[0] for tensor in graph.tensors}
    rows = [[f"{stem}{number}" for number in range(1, count + 1)] for stem in _STEMS]
    return next((row for row in rows if not known & set(row)), rows[-1])


def with_exits(backbone: Backbone, part: FittingPart, exits: Sequence[FittedExit]) -> bytes:
    """Return the backbone with the heads of the exits in it, in its own arithmetic."""
    offset = 0 if backbone.own is None else backbone.own.offset
    heads = [
        quantised_head(found.name, found.head, part.features[found.point.tensor.index], offset)
        for found in exits
        if found.head is not None
    ]
    return attach_heads(backbone.net.model, heads)
