"""Count an exit chain on held-back inputs: bins of confidence, where they lead, what leaving costs.

Bins are equally filled by the inputs that stay. A loss is the mean over a bin and one standard
error of it: a plan picks the bins whose means came out low. Without that error a bound that is to
hold in 95 % of fits holds in 75 to 80 % of those tried; with it, and that of the whole loss, in
95 % and more (tests/runtime/test_leaving_promise.py). Since a surer answer is no worse, the mean
never rises with the confidence (isotonic regression by pooling adjacent violators, as Zadrozny and
Elkan, KDD 2002, calibrate scores).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_infer.lab.tuning.exit_outcomes import ExitOutcomes
from edge_infer.runtime.exit_chain import ExitChain, LeavingLoss

BINS = 5
"""Most bins of an exit."""
SMALLEST_BIN = 25
"""Fewer inputs than this in a bin say nothing of what it loses."""


def fit_chain(outcomes: ExitOutcomes, leaving: NDArray[np.int64], data: str) -> ExitChain:
    """Count the chain of a net with two exits or more.

    Args:
        outcomes: of inputs that no weight was trained on.
        leaving: the exit that each of them leaves at, shape [n].
        data: name of the inputs, for the record.
    """
    last = len(outcomes.confidence)
    everyone = np.arange(len(outcomes))
    harm = outcomes.harm.astype(np.float64)
    edges, tables, forced = [], [], []
    where = np.zeros(len(outcomes), np.int64)
    before, there = 1, np.ones(len(outcomes), bool)
    for exit_ in range(last):
        stays = leaving > exit_
        own_edges = _edges(outcomes.confidence[exit_][stays])
        own = np.searchsorted(own_edges, outcomes.confidence[exit_], side="right")
        tables.append(_moves(where, own, there, stays, (before, len(own_edges) + 1)))
        forced.append(_losses(own[stays], harm[exit_][stays], len(own_edges) + 1))
        edges.append(_plain(own_edges))
        where, there, before = own, stays, len(own_edges) + 1
    reached = harm[leaving, everyone]
    tuned = LeavingLoss(
        _plain([100 * _mean(reached[leaving == exit_]) for exit_ in range(last + 1)]),
        _plain([_mean(np.abs(reached[leaving == exit_])) for exit_ in range(last + 1)]),
    )
    first = tables[0][0] if tables else ()
    return ExitChain(
        tuple(edges), first, tuple(tables[1:]), tuple(forced), tuned, len(outcomes), data
    )


def _edges(confidence: NDArray[Any]) -> NDArray[Any]:
    """Return the bounds of equally filled bins, without empty ones."""
    count = max(1, min(BINS, len(confidence) // SMALLEST_BIN))
    if count == 1:
        return np.zeros(0)
    inner = np.unique(np.quantile(confidence, np.arange(1, count) / count))
    edges: NDArray[Any] = inner[inner > confidence.min()]
    return edges


def _moves(
    before: NDArray[Any],
    own: NDArray[Any],
    there: NDArray[Any],
    stays: NDArray[Any],
    shape: tuple[int, int],
) -> tuple[tuple[float, ...], ...]:
    """Return the probability of staying in each bin, by the bin before; rows sum to 1 or less.

    Smoothed by the moves of all as one input.
    """
    counts, totals = np.zeros(shape), np.zeros(shape[0])
    np.add.at(counts, (before[stays], own[stays]), 1)
    np.add.at(totals, before[there], 1)
    prior = counts.sum(axis=0) / max(totals.sum(), 1.0)
    smooth = 1.0 if shape[0] > 1 else 0.0
    rows = (counts + smooth * prior) / np.maximum(totals + smooth, 1.0)[:, None]
    return tuple(_plain(row) for row in rows)


def _losses(own: NDArray[Any], harm: NDArray[Any], bins: int) -> LeavingLoss:
    """Return loss, one standard error above its mean, and share of changed answers by bin."""
    counts = np.bincount(own, minlength=bins).astype(float)
    lost = np.bincount(own, harm, bins)
    changed = np.bincount(own, np.abs(harm), bins)
    some = np.maximum(counts, 1.0)
    mean, share = _falling(lost / some, some), _falling(changed / some, some)
    # Of few inputs none may have changed: one is taken to.
    errors = np.sqrt(np.maximum(share - mean**2, 1 / some) / some)
    points = np.minimum(100 * (mean + errors), 100.0)
    return LeavingLoss(_plain(points), _plain(changed / some))


def _falling(values: NDArray[Any], weights: NDArray[Any]) -> NDArray[Any]:
    """Return the nearest sequence that never rises: pool adjacent violators."""
    pools: list[list[float]] = []
    for value, weight in zip(values, weights, strict=True):
        pools.append([float(value), float(weight), 1])
        while len(pools) > 1 and pools[-2][0] < pools[-1][0]:
            upper, lower = pools.pop(), pools.pop()
            total = upper[1] + lower[1]
            mean = (upper[0] * upper[1] + lower[0] * lower[1]) / total
            pools.append([mean, total, upper[2] + lower[2]])
    return np.concatenate([np.full(int(count), value) for value, _, count in pools])


def _mean(values: NDArray[Any]) -> float:
    return float(values.mean()) if len(values) else 0.0


def _plain(values: Sequence[float] | NDArray[Any]) -> tuple[float, ...]:
    return tuple(float(f"{value:.7g}") for value in values)
