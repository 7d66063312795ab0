"""A quick look at what a row of members could save, to choose the few that are tested.

Thresholds on a grid of quantiles, energy and loss as they are on the inputs at hand: an estimate,
not a promise. All pairs and triples of some twenty members take seconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from edge_infer.lab.design.members import Member
from edge_infer.lab.design.prices import Prices, Row
from edge_infer.lab.tuning.exit_outcomes import ExitOutcomes, Thresholds
from edge_infer.lab.tuning.threshold_choice import learned_points

CELLS = 24
"""Of an exit's margins."""
DOUBT = 2.0
"""Standard errors by which an estimated loss must stay below what is allowed: rows that would fail
the test are not worth one."""


@dataclass(frozen=True, eq=False)
class Estimate:
    """A row of members with thresholds, as it comes out on the inputs at hand."""

    row: Row
    thresholds: Thresholds
    shares: tuple[float, ...]
    net_nj: float
    loss: float
    """Against the reference; negative is a gain."""


@dataclass(frozen=True)
class Screen:
    """Estimates of rows on some inputs.

    Args:
        prices: of the members.
        reference: right answers of the net that a loss is counted against, shape [all inputs].
        which: the inputs that are looked at.
    """

    prices: Prices
    reference: NDArray[np.bool_]
    which: NDArray[np.int64]
    learned: dict[Row, list[Thresholds]] = field(default_factory=dict)
    """Thresholds of rows with three early exits or more, once they were learned."""

    def outcomes(self, row: Sequence[Member], which: NDArray[np.int64]) -> ExitOutcomes:
        """Return what a row answers to some inputs, against the reference."""
        confidence = np.concatenate([member.confidence for member in row])[:-1, which]
        right = np.concatenate([member.right for member in row])[:, which]
        return ExitOutcomes(confidence, right, self.reference[which])

    def best(self, row: Row, allowed_loss: float) -> Estimate | None:
        """Return the cheapest thresholds that seem to keep a loss; None if none do."""
        price = self.prices.price(row)
        if price is None:
            return None
        outcomes = self.outcomes(row, self.which)
        exit_nj, early = price.exit_nj, len(outcomes.confidence)
        if early == 0:
            return self._estimate(row, outcomes, (), allowed_loss)
        if early > 2:
            found = [
                self._estimate(row, outcomes, point, allowed_loss)
                for point in self._points(row, outcomes, exit_nj)
            ]
            kept = [estimate for estimate in found if estimate is not None]
            return min(kept, key=lambda estimate: estimate.net_nj, default=None)
        thresholds = _grid_choice(outcomes, exit_nj, allowed_loss)
        return None if thresholds is None else self._estimate(row, outcomes, thresholds, 1.0)

    def _points(
        self, row: Row, outcomes: ExitOutcomes, exit_nj: NDArray[np.float64]
    ) -> list[Thresholds]:
        """Return the thresholds worth a look for three early exits or more: whatever the loss."""
        if row not in self.learned:
            self.learned[row] = learned_points(outcomes, exit_nj.tolist())
        return self.learned[row]

    def _estimate(
        self, row: Row, outcomes: ExitOutcomes, thresholds: Thresholds,
        allowed_loss: float,
    ) -> Estimate | None:  # fmt: skip
        harmed, helped = outcomes.counts(thresholds)
        count = len(outcomes)
        loss = (harmed - helped) / count
        if loss + DOUBT * np.sqrt(harmed + helped) / count > allowed_loss:
            return None
        shares = outcomes.shares(thresholds)
        price = self.prices.price(row, shares)
        assert price is not None  # it fits whatever the shares
        return Estimate(row, thresholds, shares, float(price.exit_nj @ shares), loss)


def _grid_choice(
    outcomes: ExitOutcomes, exit_nj: NDArray[np.float64], allowed_loss: float
) -> Thresholds | None:
    """Return the best thresholds of one or two early exits, on a grid of quantiles."""
    cells = [_Cells.of(row) for row in outcomes.confidence]
    harm, count = outcomes.harm.astype(np.float64), len(outcomes)
    if len(cells) == 1:
        cells.append(_Cells(np.empty(0), np.zeros(count, np.int64)))
        harm = np.stack([harm[0], harm[1], harm[1]])
        exit_nj = np.array([exit_nj[0], exit_nj[1], exit_nj[1]])
    first, second = cells
    size = first.count, second.count

    def table(values: NDArray[np.float64]) -> NDArray[np.float64]:
        flat = first.of_input * size[1] + second.of_input
        found = np.bincount(flat, values, size[0] * size[1]).reshape(size)
        padded = np.zeros((size[0] + 1, size[1] + 1))
        padded[1:, 1:] = found.cumsum(axis=0).cumsum(axis=1)
        return padded

    ones = table(np.ones(count))
    harms = [table(np.asarray(row)) for row in harm]
    moved = [table(np.abs(row)) for row in harm]
    # Row i, column j: cells below i stay at the first exit, of those below j stay at the second.
    last = ones, harms[2], moved[2]
    stay = [t[:, -1:] for t in (ones, harms[1], moved[1])]
    middle = [s - t for s, t in zip(stay, (ones, harms[1], moved[1]), strict=True)]
    gone = [t[-1:, -1:] - t[:, -1:] for t in (ones, harms[0], moved[0])]
    lost = (gone[1] + middle[1] + last[1]) / count
    doubt = np.sqrt(np.maximum(gone[2] + middle[2] + last[2], 0)) / count
    cost = (gone[0] * exit_nj[0] + middle[0] * exit_nj[1] + last[0] * exit_nj[2]) / count
    cost = np.where(lost + DOUBT * doubt <= allowed_loss, cost, np.inf)
    i, j = np.unravel_index(int(cost.argmin()), cost.shape)
    if not np.isfinite(cost[i, j]):
        return None
    chosen = (first.least(int(i)), second.least(int(j)))
    return chosen[: len(outcomes.confidence)]


@dataclass(frozen=True)
class _Cells:
    """Margins cut at their quantiles."""

    edges: NDArray[np.float64]
    of_input: NDArray[np.int64]

    @classmethod
    def of(cls, margins: NDArray[np.float64]) -> "_Cells":
        edges = np.unique(np.quantile(margins, np.arange(1, CELLS) / CELLS, method="higher"))
        return cls(edges, np.searchsorted(edges, margins, side="right"))

    @cached_property
    def count(self) -> int:
        return len(self.edges) + 1

    def least(self, stay: int) -> float:
        """Return the least margin to leave with, where the cells below `stay` stay."""
        if stay >= self.count:
            return float("inf")
        return float(self.edges[stay - 1]) if stay else float("-inf")
