"""What every exit would have answered to labelled inputs: all that choosing thresholds needs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from edge_infer.runtime.exit_criterion import CriterionName, confidences

Thresholds = tuple[float, ...]
"""Least confidence to leave with, one per exit but the last; infinity never leaves."""


@dataclass(frozen=True)
class ExitOutcomes:
    """Answers of n inputs at each of K exits, the last of which is the classic net's."""

    confidence: NDArray[np.float64]
    """Shape [K - 1, n]: more is surer, whatever the criterion (entropy is negated)."""
    right: NDArray[np.bool_]
    """Shape [K, n]."""
    reference: NDArray[np.bool_] | None = None
    """Right answers of the net that a loss is counted against, shape [n]; the last exit's if
    None."""

    @classmethod
    def of_scores(
        cls,
        scores: Sequence[NDArray[Any]],
        labels: NDArray[Any],
        criterion: CriterionName,
        scales: Sequence[float],
    ) -> Self:
        """Judge raw scores.

        Args:
            scores: by exit, shape [n, classes].
            labels: shape [n].
            criterion: what confidence is.
            scales: real value of one score unit, by exit.
        """
        judged = [
            confidences(criterion, rows, scale or 1.0)
            for rows, scale in zip(scores, scales, strict=True)
        ]
        return cls(
            np.array([confidence for _, confidence in judged[:-1]]).reshape(-1, len(labels)),
            np.array([answers == labels for answers, _ in judged]),
        )

    def __len__(self) -> int:
        return int(self.right.shape[1])

    def taken(self, which: NDArray[Any]) -> "ExitOutcomes":
        """Return some of the inputs, by index or mask."""
        reference = None if self.reference is None else self.reference[which]
        return ExitOutcomes(self.confidence[:, which], self.right[:, which], reference)

    @property
    def harm(self) -> NDArray[np.int8]:
        """Loss of leaving at each exit, shape [K, n]: 1 harmed, -1 helped, else 0."""
        against = self.right[-1] if self.reference is None else self.reference
        found: NDArray[np.int8] = against.astype(np.int8) - self.right.astype(np.int8)
        return found

    def exits(self, thresholds: Thresholds) -> NDArray[np.int64]:
        """Return the exit that each input leaves at, shape [n]."""
        leaves = np.ones(self.right.shape, bool)
        leaves[:-1] = self.confidence >= np.array(thresholds)[:, np.newaxis]
        found: NDArray[np.int64] = leaves.argmax(axis=0)
        return found

    def counts(self, thresholds: Thresholds) -> tuple[int, int]:
        """Return how many inputs are harmed and how many helped."""
        loss = self.harm[self.exits(thresholds), np.arange(len(self))]
        return int((loss > 0).sum()), int((loss < 0).sum())

    def shares(self, thresholds: Thresholds) -> tuple[float, ...]:
        """Return the share of the inputs that leaves at each exit; sums to 1."""
        counts = np.bincount(self.exits(thresholds), minlength=len(self.right))
        return tuple(float(count) / len(self) for count in counts)
