"""Scored frames made by hand: what each frame's stages decide."""

from collections.abc import Sequence

import numpy as np

from edge_infer.lab.replay.scored_frames import ScoredFrames
from edge_infer.runtime.records import ExitDecision


def frames_leaving_at(exits: Sequence[int], stages: int = 3) -> ScoredFrames:
    """One frame per entry, that leaves at that stage, answers 1 and is labelled 1."""
    decisions = tuple(
        tuple(ExitDecision(stage >= left, 1, float(10 * stage)) for stage in range(stages))
        for left in exits
    )
    scores = tuple(np.zeros((len(exits), 4), np.int8) for _ in range(stages))
    return ScoredFrames(scores, decisions, np.array(exits), np.ones(len(exits), np.int64))
