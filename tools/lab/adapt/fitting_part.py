"""What heads are fitted on: features of half of the pictures, their mirror images, and targets."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_infer.lab.adapt.backbone import Backbone
from edge_infer.lab.adapt.duplicates import mirrored_digest, repeated
from edge_infer.lab.adapt.exit_points import ExitPoint
from edge_infer.lab.adapt.features import PointFeatures
from edge_infer.lab.adapt.groups import deal
from edge_infer.lab.adapt.head_fit import FOLDS, Targets, class_weights
from edge_infer.lab.adapt.pictures import Pictures, check_classes
from edge_infer.lab.progress import Progress, counted


@dataclass(frozen=True, eq=False)
class FittingPart:
    """Rows of pictures, a mirror image right behind each with `flip`."""

    features: dict[int, PointFeatures]
    """By the index of the tensor."""
    own_logits: NDArray[np.float32] | None
    """Of the net's own head, shape [n, classes]; None where it is not kept."""
    targets: Targets
    digests: dict[bytes, int]
    """Of the pictures, and which they are."""


def read_fitting_part(
    backbone: Backbone,
    candidates: Sequence[ExitPoint],
    pictures: Pictures,
    indices: NDArray[np.intp],
    groups: NDArray[np.int64],
    flip: bool,
    balanced: bool,
    random: np.random.Generator,
    progress: Progress,
) -> FittingPart:
    """Run the backbone over pictures, keeping what heads could read.

    Args:
        backbone: the net.
        candidates: points of early exits.
        pictures: all there are, labels in the order of the heads.
        indices: which to read.
        groups: of all pictures.
        flip: mirror images too.
        balanced: each class weighs the same.
        random: which group is in which fold.
        progress: called with how far it is.

    Raises:
        AdaptError: a picture stands in two classes, or too many could not be read.
        InputError: a picture cannot be taken.
    """
    kept = [*candidates, *([] if backbone.own else [backbone.points.last])]
    extractor, rows = backbone.extractor(kept), []
    digests: list[tuple[int, bytes]] = []
    progress(f"running the backbone on {len(indices)} pictures to fit on")
    told = counted(indices.tolist(), "pictures", progress)
    for index, frame in pictures.frames(told, backbone.spec(len(pictures.classes))):
        digests.append((index, mirrored_digest(frame)))
        for image in (frame, frame[:, ::-1])[: 1 + flip]:
            extractor.add(np.ascontiguousarray(image))
            rows.append(index)
    repeated(pictures, digests)
    read = np.array(rows, np.intp)
    check_classes(pictures, pictures.labels[np.unique(read)], LEAST_TO_FIT)
    features = dict(zip((p.tensor.index for p in kept), extractor.features(), strict=True))
    raw = extractor.scores()
    return FittingPart(
        features,
        None if raw is None or backbone.own is None else backbone.own.logits(raw),
        _targets(pictures, read, groups, 1 + flip, balanced, random),
        {digest: index for index, digest in digests},
    )


LEAST_TO_FIT = FOLDS
"""Pictures of a class that are left to fit on: one for each fold."""


def _targets(
    pictures: Pictures, rows: NDArray[np.intp], groups: NDArray[np.int64], images: int,
    balanced: bool, random: np.random.Generator,
) -> Targets:  # fmt: skip
    labels = pictures.labels[rows]
    classes = len(pictures.classes)
    return Targets(
        labels,
        np.eye(classes, dtype=np.float32)[labels],
        class_weights(labels, classes, balanced),
        deal(labels, groups[rows], [1 / FOLDS] * FOLDS, random),
        np.arange(len(rows)) % images == 0,
    )
