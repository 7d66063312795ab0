"""What a record answers, in words: labels, and how sure the exit is of each.

A probability is the softmax of the exit's logits over a temperature that `tune` fitted on
calibration inputs (Guo et al., On Calibration of Modern Neural Networks, ICML 2017). Without one it
is called a score: it is high for what the net prefers, and says nothing of how often that is right.
"""

import math
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge_infer.models_tflite.manifest import Manifest
from edge_infer.models_tflite.stage_spec import Scores
from edge_infer.runtime.exit_criterion import FEW_CLASSES
from edge_infer.runtime.records import InferenceRecord

ConfidenceKind = Literal["probability", "score"]
MOST_TOLD = 20
"""Inputs of a run whose answers are told one by one."""


class Choice(NamedTuple):
    """One label, and how sure the exit is of it."""

    label: str
    confidence: float
    """0 to 1; all labels together 1."""


class Answer(NamedTuple):
    """The label that an inference came to, and those next to it."""

    label: str
    confidence: float | None
    """Of the label; None where the scores are not known (a board at the end of a line)."""
    kind: ConfidenceKind | None
    top: tuple[Choice, ...]
    """The likeliest labels, the surest first; empty where the scores are not known."""


class AnswerReader:
    """Reads records of a bundle.

    Args:
        manifest: of the bundle.
        top: labels to name.
    """

    def __init__(self, manifest: Manifest, top: int = 1) -> None:
        self._labels = manifest.labels
        self._top = min(top, len(manifest.labels))
        self._heads = {
            ratio: [stage.scores for stage in manifest.stages_at(ratio)]
            for ratio in manifest.ratios
        }
        self._temperatures = {
            ratio: thresholds.temperatures for ratio, thresholds in manifest.thresholds.items()
        }

    @property
    def confidence_name(self) -> str:
        """What a heading calls the confidence."""
        every = [found is not None for found in self._temperatures.values()]
        return "probability" if all(every) else "confidence" if any(every) else "score"

    def read(self, record: InferenceRecord) -> Answer:
        """Return what a record answers; it is kept with the record."""
        if record.reading is None:
            record.reading = self._read(record)
        return record.reading

    def true_label(self, record: InferenceRecord) -> str | None:
        """Return the name of the true class, None where it is not known."""
        return None if record.label is None else self._labels[record.label]

    def _read(self, record: InferenceRecord) -> Answer:
        label = self._labels[record.answer]
        if record.scores is None:
            return Answer(label, None, None, ())
        fitted = self._temperatures[record.ratio]
        temperature = 1.0 if fitted is None else fitted[record.exit]
        head = self._heads[record.ratio][record.exit]
        shares = _shares(record.scores, head, temperature)
        # The answer is the first of equals, as the exit criterion has it.
        order = [record.answer]
        if self._top > 1:
            order = sorted(range(len(shares)), key=lambda at: -shares[at])[: self._top]
        top = tuple(Choice(self._labels[at], shares[at]) for at in order)
        kind: ConfidenceKind = "score" if fitted is None else "probability"
        return Answer(label, shares[record.answer], kind, top)


def _shares(scores: NDArray[Any], head: Scores, temperature: float) -> list[float]:
    """Return what `softmax` of `logits` does, for one row; 3 us for ten classes."""
    if head.kind == "softmax" or len(scores) > FEW_CLASSES:
        found: list[float] = softmax(logits(scores, head), temperature).tolist()
        return found
    values: list[float] = scores.tolist()
    greatest, scale = max(values), (head.scale or 1.0) / temperature
    weights = [math.exp((value - greatest) * scale) for value in values]
    total = math.fsum(weights)
    return [weight / total for weight in weights]


def logits(scores: NDArray[Any], head: Scores) -> NDArray[np.float64]:
    """Return raw scores as logits, up to what is added to all of them.

    Args:
        scores: shape [..., classes].
        head: what the manifest says of them.
    """
    scale = head.scale or 1.0
    values: NDArray[np.float64] = (scores.astype(np.float64) - head.zero_point) * scale
    if head.kind == "softmax":
        # A probability below half a step of the head's scale reads as 0; a thousand of them are
        # less than that half step together, or they would outweigh what was read.
        values = np.log(np.maximum(values, scale / 2 / scores.shape[-1] if head.scale else 1e-9))
    return values


def softmax(values: NDArray[np.float64], temperature: float = 1.0) -> NDArray[np.float64]:
    """Return the softmax over the last axis of logits over a temperature; sums to 1."""
    weights = np.exp((values - values.max(axis=-1, keepdims=True)) / temperature)
    shares: NDArray[np.float64] = weights / weights.sum(axis=-1, keepdims=True)
    return shares
