"""Adapt a backbone to pictures: features once, heads on them, all of it one model to be cut."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edge_infer.lab.adapt.backbone import Backbone
from edge_infer.lab.adapt.duplicates import file_digests, repeated
from edge_infer.lab.adapt.errors import AdaptError
from edge_infer.lab.adapt.exit_fit import FittedExit, fit_exits, with_exits
from edge_infer.lab.adapt.exit_points import ExitPoint, named_points
from edge_infer.lab.adapt.fitting_part import read_fitting_part
from edge_infer.lab.adapt.own_head import find_own_head
from edge_infer.lab.adapt.parts import Parts, split_pictures
from edge_infer.lab.adapt.pictures import Pictures, check_classes
from edge_infer.lab.progress import Progress, silent
from edge_infer.lab.tuning import LossBound
from edge_infer.models_tflite.build import BundleDraft
from edge_infer.models_tflite.drafts import exits_draft
from edge_infer.models_tflite.graph import Graph


@dataclass(frozen=True)
class AdaptWishes:
    """What is asked for."""

    exits: int = 3
    """Of the net, the last one included."""
    at: tuple[str, ...] = ()
    """Names or numbers of the points of the early exits; chosen if empty."""
    head: Literal["auto", "own", "new"] = "auto"
    """The last exit: the net's own classifier, or one for the folders; own where they are alike."""
    flip: bool = True
    """Fit on mirror images too."""
    balanced: bool = True
    """Each class weighs the same in the fit."""
    loss_bound: LossBound = field(default_factory=lambda: LossBound(0.01, 0.95))
    seed: int = 0


@dataclass(frozen=True)
class Adapted:
    """A net with exits, and the pictures that nothing was fitted on."""

    backbone: Backbone
    draft: BundleDraft
    exits: tuple[FittedExit, ...]
    pictures: Pictures
    """Labels in the order of the draft's."""
    parts: Parts
    groups: NDArray[np.int64] | None
    """Of all pictures; None where each stands alone."""
    digests: dict[bytes, int]
    """Of the pictures that heads were fitted on."""


def adapt(
    backbone: Backbone,
    labels: Sequence[str] | None,
    pictures: Pictures,
    groups: NDArray[np.int64],
    name: str,
    wishes: AdaptWishes,
    progress: Progress = silent,
    **fields: Any,
) -> Adapted:
    """Fit exits to pictures, on half of them.

    Args:
        backbone: the net.
        labels: of its own scores, where they are known.
        pictures: labelled.
        groups: which of them belong together, shape [n].
        name: of the bundle.
        wishes: what is asked for.
        progress: called with what is under way.
        **fields: more of `BundleDraft`.

    Raises:
        AdaptError: pictures or net do not allow it.
        InputError: a picture cannot be taken.
        ModelNotSupportedError: frames do not enter this net so, or labels do not fit.
        CutError: the net cannot be cut there.
    """
    candidates, early = _candidates(backbone, wishes)
    if wishes.head != "new":
        own = find_own_head(backbone.net, labels, pictures, wishes.head == "own")
        backbone = replace(backbone, own=own)
    if backbone.own is not None:
        pictures = pictures.relabelled(backbone.own.labels, backbone.own.label_of)
    pictures, groups = _each_once(pictures, groups, progress)
    random = np.random.default_rng(wishes.seed)
    parts = split_pictures(pictures, groups, early + 1, wishes.loss_bound, random)
    flip = wishes.flip and len(backbone.taken.frame_shape) == 3
    part = read_fitting_part(
        backbone, candidates, pictures, parts.fitting, groups, flip, wishes.balanced, random,
        progress,
    )  # fmt: skip
    exits = fit_exits(backbone, part, candidates, early, wishes.loss_bound.loss, progress)
    model = with_exits(backbone, part, exits)
    net = replace(backbone.net, model=model, graph=Graph(model))
    draft = exits_draft(
        net, [found.name for found in exits], pictures.classes, name, backbone.frames, **fields
    )
    alone = len(np.unique(groups)) == len(groups)
    return Adapted(
        backbone,
        replace(draft, provenance=backbone.net.provenance() | _provenance(exits, wishes, parts)),
        exits,
        pictures,
        parts,
        None if alone else groups,
        part.digests,
    )


def _candidates(backbone: Backbone, wishes: AdaptWishes) -> tuple[list[ExitPoint], int]:
    """Return the points to choose from, and how many."""
    graph, points = backbone.net.graph, backbone.points
    if wishes.at:
        named = named_points(graph, points, wishes.at)
        return named, len(named)
    if wishes.exits - 1 > len(points.early):
        raise AdaptError(
            f"{backbone.net.name}: --exits {wishes.exits} are more than it has room for: "
            f"{len(points.early)} points and its end; --list shows them"
        )
    return list(points.early), wishes.exits - 1


def _each_once(
    pictures: Pictures, groups: NDArray[np.int64], progress: Progress
) -> tuple[Pictures, NDArray[np.int64]]:
    """Return the pictures without copies of a file."""
    progress(f"looking through {len(pictures)} pictures of {pictures.folder}")
    again = repeated(pictures, enumerate(file_digests(pictures)))
    kept = pictures.without(again, "duplicate")
    check_classes(kept)
    return kept, np.delete(groups, again)


def _provenance(
    exits: Sequence[FittedExit], wishes: AdaptWishes, parts: Parts
) -> dict[str, Any]:  # fmt: skip
    return {
        "adapted": {
            "exits": [
                {
                    "tensor": found.point.tensor.name,
                    "head": "own" if found.head is None else "+".join(found.head.pools),
                    "penalty": None if found.head is None else found.head.penalty,
                }
                for found in exits
            ],
            "fitted_on": len(parts.fitting),
            "flip": wishes.flip,
            "balanced": wishes.balanced,
            "seed": wishes.seed,
        }
    }
