"""Which points get an exit: those by which the fewest multiply-accumulates do, at equal loss.

Judged on answers of heads to pictures that they were not fitted on, so no calibration picture is
looked at. A head's own work is small beside a stage and left out; what the board charges a stage
is looked at when the bundle is tuned.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge_infer.lab.progress import Progress, silent
from edge_infer.lab.tuning import ExitOutcomes
from edge_infer.lab.tuning.threshold_choice import learned_points

_MOST_PICTURES = 3000
"""Enough to rank points by."""


def choose_exits(
    logits: Sequence[NDArray[np.float32]],
    last: NDArray[np.float32],
    labels: NDArray[np.int64],
    macs: Sequence[int],
    count: int,
    allowed_loss: float,
    progress: Progress = silent,
) -> tuple[int, ...]:
    """Choose points one after the other, each the best beside those before; then swap once.

    Args:
        logits: of a head at each point, first to last, shape [n, classes].
        last: of the last exit.
        labels: shape [n].
        macs: up to each point, and of the last exit.
        count: how many points to choose, no more than there are.
        allowed_loss: share of answers, against the last exit.
        progress: called with what is under way.

    Returns:
        Indices of points, ascending.
    """
    shown = slice(_MOST_PICTURES)
    judged = ExitOutcomes.of_scores(
        [*(rows[shown] for rows in logits), last[shown]], labels[shown], "score-margin",
        [1.0] * (len(logits) + 1),
    )  # fmt: skip

    def used(points: Sequence[int]) -> float:
        return _macs_used(judged, sorted(points), macs, allowed_loss)

    chosen: list[int] = []
    for number in range(count):
        progress(f"choosing exit {number + 1} of {count} among {len(logits)} points")
        rest = [point for point in range(len(logits)) if point not in chosen]
        chosen.append(min(rest, key=lambda point: used([*chosen, point])))
    for place in range(count - 1):  # the last one was chosen beside all others
        others = chosen[:place] + chosen[place + 1 :]
        rest = [point for point in range(len(logits)) if point not in others]
        chosen[place] = min(rest, key=lambda point: used([*others, point]))
    return tuple(sorted(chosen))


def _macs_used(
    judged: ExitOutcomes, points: Sequence[int], macs: Sequence[int], allowed_loss: float
) -> float:
    """Return the mean MACs with the best thresholds that lose no more than allowed."""
    some = ExitOutcomes(judged.confidence[points], judged.right[[*points, -1]])
    costs = [*(float(macs[point]) for point in points), float(macs[-1])]
    found = [costs[-1]]
    for thresholds in learned_points(some, costs):
        harmed, helped = some.counts(thresholds)
        if harmed - helped <= allowed_loss * len(some):
            found.append(float(np.dot(some.shares(thresholds), costs)))
    return min(found)
