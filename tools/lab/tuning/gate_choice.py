"""Choose the threshold of the frame gate on a recording, for a bound on the answers it changes.

The net answers every frame of the recording once; each threshold is then played through. A gated
answer is changed where the net's own would have been another one.

Frames that follow each other are no independent draws. What repeats is a cycle: a frame that the
net runs on, and those answered from it. Cycles are taken to be independent, and frames of one to
tell no more than one of them (intraclass correlation 1): so n frames count as (sum of L)^2 over
the sum of L^2 of the cycles' lengths L (Kish, Survey Sampling, 1965), and the share of changed
answers has the Clopper-Pearson bound of so many draws (Korn and Graubard, Survey Methodology 24,
1998). Thresholds are tested from the lowest up until one fails, which keeps the confidence for all
of them (fixed sequence, as Learn then Test has it).
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_infer.boards import open_board
from edge_infer.lab.progress import Progress, silent
from edge_infer.lab.tuning.calibration_data import frame_digest, refuse_test_samples
from edge_infer.lab.tuning.loss_test import samples_needed
from edge_infer.models_tflite import Bundle
from edge_infer.models_tflite.backend import Backend
from edge_infer.runtime.engine import Engine
from edge_infer.runtime.errors import InputError
from edge_infer.runtime.frames.source import RawFrame
from edge_infer.runtime.gate import LEVEL, thumbnail

THRESHOLDS = (
    0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 12.0, 16.0, 20.0,
    25.0, 32.0, 40.0, 50.0,
)  # fmt: skip
"""In grey levels, the lowest first."""
_BOARD = "sim:raspberry-pi-5"
"""Answers are no board's: thresholds of the exits are those of the bundle."""
_TOLD_EVERY = 500


@dataclass(frozen=True)
class Recording:
    """Frames in the order in which they came."""

    thumbnails: NDArray[np.int32]
    """Shape [n, cells]."""
    answers: NDArray[np.int64]
    """The net's own, shape [n]."""

    def __len__(self) -> int:
        return len(self.answers)


@dataclass(frozen=True)
class GateOutcome:
    """What a threshold does to a recording."""

    threshold: float
    gated: float
    """Share of the frames that are answered without the net."""
    changed: float
    """Share of the frames whose answer is another one."""
    bound: float
    """Upper confidence bound of that."""
    draws: float
    """Independent frames that the recording counts as."""


@dataclass(frozen=True)
class GateChoice:
    """A threshold for a recording."""

    frames: int
    needed: int
    """Frames, at least, to promise anything."""
    outcomes: tuple[GateOutcome, ...]
    """Of thresholds in order, up to the first that cannot be shown to keep the bound."""
    threshold: float | None
    """The highest that can; None where none can."""


def record_answers(
    bundle: Bundle,
    frames: Iterable[RawFrame],
    backend: Backend,
    name: str,
    progress: Progress = silent,
) -> Recording:
    """Let the net answer all frames of a recording of some name.

    Raises:
        InputError: there are fewer than two, or they differ in size.
        CalibrationError: they are among the bundle's own test samples.
    """
    thumbnails, answers, digests = [], [], []
    with open_board(_BOARD) as board, Engine(bundle, board, backend=backend) as engine:
        for number, frame in enumerate(frames, 1):
            thumbnails.append(thumbnail(frame.data).ravel())
            answers.append(engine.infer(frame).answer)
            digests.append(frame_digest(frame.data))
            if number % _TOLD_EVERY == 0:
                engine.drain()
                progress(f"{number} frames")
    refuse_test_samples(bundle, digests, name)
    if len(answers) < 2:
        raise InputError(f"{name}: {len(answers)} frames: a gate compares two or more")
    if len({len(one) for one in thumbnails}) > 1:
        raise InputError(f"{name}: frames of several sizes: record one camera in one size")
    return Recording(np.stack(thumbnails), np.array(answers, np.int64))


def choose_gate(recording: Recording, allowed: float, confidence: float) -> GateChoice:
    """Return the highest threshold that is shown to change at most a share of the answers.

    Args:
        recording: what the gate would have seen.
        allowed: share of changed answers, above 0 and below 1.
        confidence: of the promise, for example 0.95.
    """
    found: list[GateOutcome] = []
    chosen = None
    for threshold in THRESHOLDS:
        found.append(play(recording, threshold, confidence))
        if found[-1].bound > allowed:
            break
        chosen = threshold
    needed = samples_needed(allowed, confidence)
    return GateChoice(len(recording), needed, tuple(found), chosen)


def play(recording: Recording, threshold: float, confidence: float) -> GateOutcome:
    """Return what a threshold does to a recording."""
    answered_by = _references(recording.thumbnails, threshold)
    frames = len(recording)
    changed = int((recording.answers[answered_by] != recording.answers).sum())
    lengths = np.unique(answered_by, return_counts=True)[1].astype(float)
    draws = float(lengths.sum() ** 2 / (lengths**2).sum())
    share = changed / frames
    bound = upper_bound(math.ceil(share * draws), max(1, math.floor(draws)), confidence)
    return GateOutcome(threshold, 1 - len(lengths) / frames, share, bound, draws)


def _references(thumbnails: NDArray[np.int32], threshold: float) -> NDArray[np.int64]:
    """Return, for each frame, the one whose answer it gets: itself where the net runs."""
    frames, cells = thumbnails.shape
    limit = threshold * LEVEL * cells
    answered_by, start = np.arange(frames), 0
    while start < frames:
        end, ahead = start + 1, 8
        while end < frames:
            part = thumbnails[end : end + ahead]
            passes = np.abs(part - thumbnails[start]).sum(axis=1) > limit
            first = int(passes.argmax()) if passes.any() else len(part)
            end += first
            if first < len(part):
                break
            ahead = min(2 * ahead, 1024)
        answered_by[start:end] = start
        start = end
    return answered_by


def upper_bound(events: int, draws: int, confidence: float) -> float:
    """Return the Clopper-Pearson upper bound of a probability, by bisection."""
    if events >= draws:
        return 1.0
    low, high = events / draws, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if _at_most(events, draws, middle) > 1 - confidence:
            low = middle
        else:
            high = middle
    return high


def _at_most(events: int, draws: int, probability: float) -> float:
    """Return the probability of at most so many events."""
    if not 0 < probability < 1:
        return float(probability <= 0)
    counts = np.arange(events + 1)
    steps = np.log(np.arange(1, draws + 1))
    logs = np.concatenate([[0.0], np.cumsum(steps)])
    terms = logs[draws] - logs[counts] - logs[draws - counts]
    terms = terms + counts * math.log(probability) + (draws - counts) * math.log1p(-probability)
    return float(np.exp(terms).sum())


def gate_document(choice: GateChoice, allowed: float, confidence: float) -> dict[str, Any]:
    """Return the choice as part of the document of `tune --gate --json`; shares in per cent."""
    return {
        "frames": choice.frames,
        "frames_needed": choice.needed,
        "allowed_percent": 100 * allowed,
        "confidence": confidence,
        "threshold": choice.threshold,
        "rows": [
            {
                "threshold": row.threshold,
                "gated_percent": 100 * row.gated,
                "changed_percent": 100 * row.changed,
                "bound_percent": 100 * row.bound,
                "draws": row.draws,
            }
            for row in choice.outcomes
        ],
    }
