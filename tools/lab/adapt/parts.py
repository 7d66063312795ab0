"""The pictures in two parts: one to fit heads on, one to choose thresholds and promise by."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_infer.lab.adapt.errors import AdaptError
from edge_infer.lab.adapt.groups import deal
from edge_infer.lab.adapt.pictures import Pictures
from edge_infer.lab.tuning import LossBound
from edge_infer.lab.tuning.grouped_split import groups_needed

CALIBRATION_SHARE = 0.5
"""Of the groups: heads get better by the logarithm of the pictures, a promise by their root."""
_MOST = 0.7
"""Where less would promise nothing."""
_SHOWN = 3


@dataclass(frozen=True)
class Parts:
    """Which picture is in which part."""

    fitting: NDArray[np.intp]
    """Indices, ascending."""
    calibration: NDArray[np.intp]
    """Likewise; in groups that no picture of the other part is of."""


def split_pictures(
    pictures: Pictures,
    groups: NDArray[np.int64],
    exits: int,
    loss_bound: LossBound,
    random: np.random.Generator,
) -> Parts:
    """Deal whole groups out to both parts, of every class its share.

    Args:
        pictures: all there are.
        groups: which belong together, shape [n].
        exits: of the net, the last one included.
        loss_bound: what is to be promised.
        random: which group goes where.

    Raises:
        AdaptError: a class is all in one group, or there are too few groups for the promise; says
            how many are missing.
    """
    _check_spread(pictures, groups)
    units, needed = len(np.unique(groups)), groups_needed(exits, loss_bound)
    if round(_MOST * units) < needed:
        missing = -int(-needed // CALIBRATION_SHARE) - units
        grouped = units < len(pictures)
        kind = "groups" if grouped else "pictures"
        what = f"groups of {len(pictures)} pictures" if grouped else "pictures"
        raise AdaptError(
            f"{pictures.folder}: {units} {what} leave no part to promise a loss of at most "
            f"{100 * loss_bound.loss:g} points at {loss_bound.confidence:.0%} by: it takes "
            f"{needed} that no head was fitted on, so {missing} {kind} are missing; "
            "add them, or allow more (--loss), or be less sure (--confidence)"
        )
    share = max(CALIBRATION_SHARE, min(_MOST, 1.02 * needed / units))
    side = deal(pictures.labels, groups, (1 - share, share), random)
    return Parts(np.flatnonzero(side == 0), np.flatnonzero(side == 1))


def _check_spread(pictures: Pictures, groups: NDArray[np.int64]) -> None:
    alone = [
        pictures.classes[label]
        for label in range(len(pictures.classes))
        if len(np.unique(groups[pictures.labels == label])) < 2
    ]
    if alone:
        raise AdaptError(
            f"{pictures.folder}: all pictures of {', '.join(map(repr, alone[:_SHOWN]))} are in one "
            "group: none is left to test on what was learned on the others; add pictures of "
            "another group, or take that class out"
        )
