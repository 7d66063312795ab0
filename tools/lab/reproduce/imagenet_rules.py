"""Rules that say after each net of a cascade whether its answer is good enough.

score-margin: the highest less the second highest score of the net itself (BL-DNN).
entropy: of the net's own softmax.
agreement: as score-margin; but an answer that the net before gave too is taken as it is (both
nets' class pair). Cascades of three alone: a second net is always the last of two.
stacked: the scores of all nets so far answer together, with weights fitted on calibration
pictures; the margin of their softmax.
deferral: as stacked; sure is what a logit of its sorted shares takes to be right.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from edge_infer.lab.reproduce.imagenet_scores import NetScores
from edge_infer.lab.reproduce.imagenet_stack import Floats, Members, Stack
from edge_infer.lab.tuning.predictor_fitting import fit_logit, logit_probabilities, standard

Rule = Literal["score-margin", "entropy", "agreement", "stacked", "deferral"]
RULES: tuple[Rule, ...] = get_args(Rule)
FOLDS = 5
"""Parts of the calibration pictures: a deferral model judges the part it was not fitted on."""
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Judged:
    """A cascade under a rule, on all pictures."""

    confidence: Floats
    """Of all nets but the last, shape [nets - 1, n]; more is surer."""
    answers: Indices
    """Shape [nets, n]."""


class Judge:
    """Judges the cascades of some nets, fitted on calibration pictures.

    Args:
        nets: scored on the same pictures.
        which: the pictures to look at, shape [n].
    """

    def __init__(self, nets: Sequence[NetScores], which: Indices) -> None:
        logits = [net.logits[which].astype(np.float64) for net in nets]
        self.labels = nets[0].labels[which]
        self.answers = np.array([net.argmax(axis=1) for net in logits])
        """Of each net alone, shape [nets, n]."""
        self._all: Members = tuple(range(len(nets)))
        self._stack = Stack(logits, self.labels)
        self._margins = [_margin(net) for net in logits]
        self._entropies = [_negative_entropy(net) for net in logits]
        self._weights: dict[Members, Floats] = {}
        self._shares: dict[Members, Floats] = {}
        self._sure: dict[tuple[Members, Rule], Floats] = {}
        self._calibration = np.zeros(0, np.int64)

    def calibrate(self, calibration: Indices) -> None:
        """Fit everything on some pictures, by index."""
        self._calibration = calibration
        self._shares.clear()
        self._sure.clear()

    def expected(self, answers: Indices) -> Floats:
        """Return the probability that answers are right, as all nets together have it.

        It scatters far less than being right or wrong does, so a loss of a point can be told on
        fewer pictures.

        Args:
            answers: shape [..., n].
        """
        shares = self._of(self._all)
        rows = [self._stack.share_of(shares, row) for row in answers.reshape(-1, len(self.labels))]
        found: Floats = np.array(rows).reshape(answers.shape)
        return found

    def judge(self, row: Members, rule: Rule) -> Judged:
        """Judge a cascade of nets, the first of which answers first."""
        together = rule in ("stacked", "deferral")
        sure, answers = [], []
        for last in range(1, len(row) + 1):
            part = row[:last]
            shares = self._of(part) if together else None
            answers.append(
                self.answers[part[-1]] if shares is None else self._stack.answers(shares)
            )
            if last < len(row):
                sure.append(self._confidence(part, rule))
        return Judged(np.array(sure), np.array(answers))

    def _confidence(self, part: Members, rule: Rule) -> Floats:
        if (part, rule) not in self._sure:
            together = rule in ("stacked", "deferral")
            find = self._together if together else self._own
            self._sure[part, rule] = find(part, rule)
        return self._sure[part, rule]

    def _of(self, members: Members) -> Floats:
        if members not in self._shares:
            start = self._weights.get(members)
            self._weights[members] = self._stack.fit(members, self._calibration, start)
            self._shares[members] = self._stack.shares(members, self._weights[members])
        return self._shares[members]

    def _own(self, part: Members, rule: Rule) -> Floats:
        if rule == "entropy":
            return self._entropies[part[-1]]
        if rule == "agreement" and len(part) > 1:
            return np.where(self._agree(part), np.inf, self._margins[part[-1]])
        return self._margins[part[-1]]

    def _agree(self, part: Members) -> NDArray[np.bool_]:
        if len(part) < 2:
            return np.zeros(len(self.labels), bool)
        found: NDArray[np.bool_] = self.answers[part[-1]] == self.answers[part[-2]]
        return found

    def _together(self, part: Members, rule: Rule) -> Floats:
        shares = self._of(part)
        ordered = -np.sort(-shares, axis=1)
        if rule == "stacked":
            return np.asarray(ordered[:, 0] - ordered[:, 1], np.float64)
        logs = np.log(np.maximum(ordered[:, [0, 1, 2, 4]], 1e-6))
        rest = np.log(np.maximum(1 - ordered[:, 0], 1e-4))
        gaps = logs[:, :1] - logs[:, 1:]
        features = np.column_stack([logs[:, 0], rest, gaps, self._agree(part)])
        right = self._stack.answers(shares) == self.labels
        return _deferral(features, right, self._calibration)


def _deferral(features: Floats, right: NDArray[np.bool_], calibration: Indices) -> Floats:
    """Return the probability of being right; no calibration picture's is of a fit with it."""
    mean, deviation = standard(features[calibration])
    inputs = (features - mean) / deviation
    found = _fitted(inputs, right, calibration)
    for fold in range(FOLDS):
        own = np.arange(len(calibration)) % FOLDS == fold
        others = _fitted(inputs, right, calibration[~own])
        found[calibration[own]] = others[calibration[own]]
    return found


def _fitted(inputs: Floats, right: NDArray[np.bool_], which: Indices) -> Floats:
    weights = fit_logit(inputs[which], right[which].astype(np.int64), 2)
    found: Floats = logit_probabilities(inputs, weights)[:, 1]
    return found


def _margin(logits: Floats) -> Floats:
    first = -np.partition(-logits, 1, axis=1)
    found: Floats = first[:, 0] - first[:, 1]
    return found


def _negative_entropy(logits: Floats) -> Floats:
    shifted = logits - logits.max(axis=1, keepdims=True)
    logs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    found: Floats = (np.exp(logs) * logs).sum(axis=1)
    return found
