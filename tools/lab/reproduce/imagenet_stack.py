"""Several nets' scores as one opinion: logits added with weights of the highest likelihood.

A picture's candidates are the classes that any net has among its first. Weights are fitted on the
pictures whose class is a candidate: one that no net thinks of is often a wrong label, and would
make every opinion an unsure one. With one net its weight is the inverse of a temperature (Guo et
al., ICML 2017).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

RANKS = 8
"""Classes that each net names."""
RIDGE = 1e-3
"""Penalty on squared weights, in units of the mean log likelihood."""
STEPS = 20
_CONVERGED = 1e-4
"""Greatest change of a weight."""
Members = tuple[int, ...]
"""Nets, by index."""
Floats = NDArray[np.float64]


class Stack:
    """The candidates of some nets on some pictures.

    Args:
        logits: by net, shape [n, classes].
        labels: shape [n].
    """

    def __init__(self, logits: Sequence[NDArray[Any]], labels: NDArray[np.int64]) -> None:
        ranks = min(RANKS, logits[0].shape[1])
        firsts = [np.argpartition(-net, ranks - 1, axis=1)[:, :ranks] for net in logits]
        classes = np.sort(np.concatenate(firsts, axis=1), axis=1)
        again = np.zeros(classes.shape, bool)
        again[:, 1:] = classes[:, 1:] == classes[:, :-1]
        self.classes = np.where(again, -1, classes)
        """Shape [n, candidates], -1 where there is none."""
        self._none = again
        self._values = np.array([np.take_along_axis(net, classes, axis=1) for net in logits])
        true = self.classes == labels[:, np.newaxis]
        self._true, self._named = true.argmax(axis=1), true.any(axis=1)

    def fit(
        self, members: Members, which: NDArray[np.int64], start: Floats | None = None
    ) -> Floats:
        """Return the weights of the highest likelihood on some pictures, by Newton's method.

        Args:
            members: nets to stack.
            which: pictures, by index.
            start: weights to begin with. The problem is convex: they change the time alone.
        """
        which = which[self._named[which]]
        values, none = self._values[list(members)][:, which], self._none[which]
        true = values[:, np.arange(len(which)), self._true[which]]
        weights = np.full(len(members), 1 / len(members)) if start is None else start
        for _ in range(STEPS):
            step = _newton_step(weights, values, none, true)
            # A step that is too long for the quadratic model is cut; the problem is convex.
            weights = weights + step * min(1.0, 1.0 / max(float(np.abs(step).max()), 1e-12))
            if np.abs(step).max() < _CONVERGED:
                break
        return weights

    def shares(self, members: Members, weights: Floats) -> Floats:
        """Return the probability of each candidate, shape [n, candidates]; a row sums to 1."""
        return _softmax(np.einsum("k,knc->nc", weights, self._values[list(members)]), self._none)

    def answers(self, shares: Floats) -> NDArray[np.int64]:
        """Return the likeliest candidate, shape [n]."""
        best = shares.argmax(axis=1)
        found: NDArray[np.int64] = self.classes[np.arange(len(best)), best]
        return found

    def share_of(self, shares: Floats, answers: NDArray[np.int64]) -> Floats:
        """Return the probability of some answers, shape [n]; 0 for one that is no candidate."""
        found: Floats = np.where(self.classes == answers[:, None], shares, 0).sum(axis=1)
        return found


def _softmax(scores: Floats, none: NDArray[np.bool_]) -> Floats:
    masked = np.where(none, -np.inf, scores)
    weights = np.exp(masked - masked.max(axis=1, keepdims=True))
    shares: Floats = weights / weights.sum(axis=1, keepdims=True)
    return shares


def _newton_step(weights: Floats, values: Floats, none: NDArray[np.bool_], true: Floats) -> Floats:
    shares = _softmax(np.einsum("k,knc->nc", weights, values), none)
    means = np.einsum("knc,nc->kn", values, shares)
    apart = values - means[:, :, np.newaxis]
    flat = apart.reshape(len(weights), -1)
    hessian = (apart * shares).reshape(len(weights), -1) @ flat.T / len(shares)
    slope = (true - means).mean(axis=1) - RIDGE * weights
    found: Floats = np.linalg.solve(hessian + RIDGE * np.eye(len(weights)), slope)
    return found
