"""The exit predictor of Predictive Exit (Li et al., AAAI 2023), as its authors' code has it.

Zeros are put around the failed exit's logits, a kernel of three ones is run over them, and so on
round by round; the first round whose largest absolute value passes the exit rule says how many
exits ahead the input will leave. The exit rule there is max |z| > beta * thr[p] with thr[p] the
absolute mean logit of exit p over the training inputs, and beta the knob. The authors jump layers;
here each round stands for one exit. `fit` chooses beta as the one that predicts most held-back
inputs right, and counts a confusion table with add-one smoothing, which turns the prediction into
probabilities.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_infer.boards.cost_table import OperatingPoint
from edge_infer.runtime.governors.governor import Governor
from edge_infer.runtime.planning.problem import PlanProblem
from edge_infer.runtime.records import ExitDecision, Frame, StageResult

ROUNDS = 8
"""Convolutions at most; an input that passes the rule in none of them goes to the last exit."""


@dataclass(frozen=True)
class ZeroPadPredictor:
    """Predicts the later exit; each prediction is a bin."""

    beta: float
    mean_logits: tuple[float, ...]
    """|mean logit| by exit, in real units."""
    scale: float
    zero_point: int
    leave_first: float
    bin_shares: tuple[float, ...]
    bin_exits: tuple[tuple[float, ...], ...]

    def bin_of(self, scores: NDArray[Any]) -> int:
        """Return the predicted later exit, 0 for the next one, from raw scores [classes]."""
        logits = [(value - self.zero_point) * self.scale for value in scores.tolist()]
        return zero_pad_rounds(logits, self.beta, self.mean_logits)


def zero_pad_rounds(logits: Sequence[float], beta: float, mean_logits: Sequence[float]) -> int:
    """Return how many exits beyond the next one an input is predicted to need.

    Args:
        logits: of the first exit, which was not taken.
        beta: the knob of the exit rule.
        mean_logits: by exit; the last one stands for all beyond.
    """
    padded = np.array(logits, dtype=np.float64)
    later = len(mean_logits) - 1
    for index in range(ROUNDS):
        padded = np.convolve(padded, (1.0, 1.0, 1.0))
        bound = beta * mean_logits[min(index, later)]
        if np.abs(padded).max() > bound:
            return min(index, later - 1)
    return later - 1


def fit_zero_pad(
    scores: Sequence[NDArray[Any]],
    exits: NDArray[np.int64],
    scale: float,
    zero_point: int,
    score_scales: Sequence[tuple[float, int]],
) -> ZeroPadPredictor:
    """Fit beta and the confusion table on held-back inputs.

    Args:
        scores: raw scores by stage, each [n, classes].
        exits: stage at which each input leaves, shape [n].
        scale: of the first exit's scores.
        zero_point: of the first exit's scores.
        score_scales: scale and zero point of each stage's scores.
    """
    means = tuple(
        abs(float(((rows.astype(float) - zero) * unit).mean()))
        for rows, (unit, zero) in zip(scores, score_scales, strict=True)
    )
    staying = exits > 0
    logits = (scores[0][staying].astype(float) - zero_point) * scale
    later = exits[staying] - 1
    count = len(scores) - 1
    best, hits = 1.0, -1
    for beta in np.geomspace(0.5, 5000, 60):
        found = np.array([zero_pad_rounds(row, float(beta), means) for row in logits], int)
        right = int((found == later).sum())
        if right > hits:
            best, hits = float(beta), right
    found = np.array([zero_pad_rounds(row, best, means) for row in logits], int)
    table = np.ones((count, count))
    np.add.at(table, (found, later), 1)
    bins = np.bincount(found, minlength=count) / max(len(found), 1)
    rows = table / table.sum(axis=1, keepdims=True)
    return ZeroPadPredictor(
        best, means, scale, zero_point, float(np.mean(~staying)),
        tuple(map(float, bins)), tuple(tuple(map(float, row)) for row in rows),
    )  # fmt: skip


class LowestClockGovernor(Governor):
    """After the first exit, the lowest clock at which the predicted exit is reached in time.

    The body of EENet was not at hand, so this is a reconstruction: until the first exit has
    spoken, the lowest clock from which the whole net can still be finished in time at the top
    clock; after it, the lowest clock that reaches the predicted exit by the deadline; once the
    prediction has failed, the lowest that finishes the whole net. A change of clock counts with its
    time. Energy is not looked at: lower is taken as cheaper.

    Args:
        name: the policy.
        problem: times by stage and point; one point per clock is used, with the fewest threads.
        later_exit_of: predicted later exit, 0 for the next, of a frame and its raw scores.
    """

    predicts = True

    def __init__(
        self,
        name: str,
        problem: PlanProblem,
        later_exit_of: Callable[[Frame, NDArray[Any]], int],
    ) -> None:
        self.name = name
        self._later_exit_of = later_exit_of
        keep = [
            next(i for i, p in enumerate(problem.points) if p.clock_khz == khz)
            for khz in problem.clocks_khz
        ]
        self._points = tuple(problem.points[i] for i in keep)
        self._time_ns = [[row[i] for i in keep] for row in problem.time_ns]
        self._switch_ns = problem.switch_ns
        self._deadline_ns = problem.deadline_ns
        self._plan_ns = problem.plan_ns
        self._last = problem.stages - 1
        self._predicted = self._last
        self._clock = 0
        rest_ns = sum(min(row) for row in self._time_ns[1:])
        self._first_needs = [t + rest_ns + problem.switch_ns for t in self._time_ns[0]]

    def first_point(self, frame: Frame, now_ns: int, backlog: int) -> OperatingPoint:
        """Return the lowest clock from which the whole net can be finished in time."""
        left_ns = self._left_ns(frame, now_ns)
        return self._lowest(self._first_needs, left_ns)

    def next_point(
        self, frame: Frame, result: StageResult, decision: ExitDecision
    ) -> OperatingPoint:
        """Return the lowest clock that reaches the predicted exit in time."""
        now_ns = result.end_ns
        if result.stage == 0:
            self._predicted = 1 + self._later_exit_of(frame, result.scores)
            now_ns += self._plan_ns[self._clock]
        until = self._predicted if result.stage < self._predicted else self._last
        needs = [
            sum(self._time_ns[stage][clock] for stage in range(result.stage + 1, until + 1))
            for clock in range(len(self._points))
        ]
        return self._lowest(needs, self._left_ns(frame, now_ns))

    def _left_ns(self, frame: Frame, now_ns: int) -> int:
        return self._deadline_ns if frame.deadline_ns is None else frame.deadline_ns - now_ns

    def _lowest(self, needs: list[int], left_ns: int) -> OperatingPoint:
        top = len(needs) - 1
        self._clock = next(
            (
                clock
                for clock, need_ns in enumerate(needs)
                if need_ns + (self._switch_ns if clock != self._clock else 0) <= left_ns
            ),
            top,
        )
        return self._points[self._clock]
