"""Frames scored once: the raw scores and exit decision of every stage, to replay policies on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_infer.models_tflite.bundle import Bundle
from edge_infer.models_tflite.manifest import FULL_RATIO, Thresholds
from edge_infer.runtime.exit_criterion import exit_criterion
from edge_infer.runtime.records import ExitDecision


@dataclass(frozen=True)
class ScoredFrames:
    """Frames as a replay needs them."""

    scores: tuple[NDArray[Any], ...]
    """Raw scores by stage, each of shape [frames, classes]."""
    decisions: tuple[tuple[ExitDecision, ...], ...]
    """By frame and stage, whether or not the frame would have left before."""
    exits: NDArray[np.int64]
    """Stage at which each frame leaves."""
    labels: NDArray[np.int64] | None

    def __len__(self) -> int:
        return len(self.exits)

    @property
    def exit_shares(self) -> tuple[float, ...]:
        """Share of frames that leave at each stage; sums to 1."""
        counts = np.bincount(self.exits, minlength=len(self.scores))
        return tuple(float(c) / len(self.exits) for c in counts)

    def taken(self, which: NDArray[np.int64]) -> "ScoredFrames":
        """Return some of the frames, in the order of their indices."""
        return ScoredFrames(
            tuple(rows[which] for rows in self.scores),
            tuple(self.decisions[i] for i in which),
            self.exits[which],
            None if self.labels is None else self.labels[which],
        )


def judge_frames(
    scores: Sequence[NDArray[Any]],
    labels: NDArray[Any] | None,
    thresholds: Thresholds,
    scales: Sequence[float],
) -> ScoredFrames:
    """Judge every score row by the manifest's thresholds.

    Args:
        scores: by stage, shape [frames, classes].
        labels: shape [frames], or None.
        thresholds: of the ratio that is run.
        scales: real value of one score unit, by stage.
    """
    values: tuple[Any, ...] = (*thresholds.values, None)
    judges = [
        exit_criterion(thresholds.criterion, value, scale or 1.0)
        for value, scale in zip(values, scales, strict=True)
    ]
    by_stage = [[judge(row) for row in rows] for judge, rows in zip(judges, scores, strict=True)]
    decisions = tuple(zip(*by_stage, strict=True))
    exits = np.array([next(k for k, d in enumerate(row) if d.leave) for row in decisions])
    known = None if labels is None else np.asarray(labels, np.int64)
    return ScoredFrames(tuple(scores), decisions, exits.astype(np.int64), known)


def scored_bundle(
    bundle: Bundle,
    scores: Sequence[NDArray[Any]],
    labels: NDArray[Any] | None,
    ratio: str = FULL_RATIO,
) -> ScoredFrames:
    """Return frames judged by a bundle's own thresholds."""
    manifest = bundle.manifest
    scales = [stage.scores.scale for stage in manifest.stages_at(ratio)]
    return judge_frames(scores, labels, manifest.thresholds[ratio], scales)
