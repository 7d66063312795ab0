"""Calibration inputs that hang together: frames of one video are one draw, not many.

A path is learned on whole groups. It is tested on one input of each other group, drawn by chance:
groups are independent of each other, and what is expected of such an input is the mean over
groups. So a promise counts groups, and is one about a frame of a new group.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_infer.lab.tuning.exit_outcomes import ExitOutcomes
from edge_infer.lab.tuning.loss_test import samples_needed
from edge_infer.lab.tuning.threshold_choice import (
    LEARNING_SHARE,
    CalibrationSplit,
    LossBound,
    learned_path,
    sinking_path,
)


def split_groups(
    outcomes: ExitOutcomes,
    groups: NDArray[np.int64],
    exit_energy_nj: tuple[float, ...],
    random: np.random.Generator,
) -> CalibrationSplit:
    """Make the path and the inputs it is tested on, as `split_calibration` does without groups.

    Args:
        outcomes: of the calibration inputs.
        groups: which of them hang together, shape [n].
        exit_energy_nj: mean net energy of an inference that leaves at each exit.
        random: draws the groups to learn on, and the input of each other one.
    """
    order: NDArray[Any] = random.permutation(np.unique(groups))
    learning = round(LEARNING_SHARE * len(order)) if len(outcomes.confidence) > 1 else 0
    shuffled = random.permutation(len(groups))
    _, first = np.unique(groups[shuffled], return_index=True)
    of_each = shuffled[first]
    tested = outcomes.taken(of_each[np.isin(groups[of_each], order[learning:])])
    if not learning:
        return CalibrationSplit(sinking_path(tested), tested)
    learned_on = outcomes.taken(np.isin(groups, order[:learning]))
    return CalibrationSplit(learned_path(learned_on, exit_energy_nj), tested)


def groups_needed(exits: int, loss_bound: LossBound) -> int:
    """Return how many independent inputs it takes to promise anything, path included."""
    needed = samples_needed(loss_bound.loss, loss_bound.confidence)
    return needed if exits < 3 else math.ceil(needed / (1 - LEARNING_SHARE))
