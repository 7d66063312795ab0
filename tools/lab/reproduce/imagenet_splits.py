"""Cascades and thresholds chosen on a half of the pictures, and read on the other."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_infer.lab.reproduce.imagenet_rules import Indices
from edge_infer.lab.reproduce.imagenet_stack import Floats

GRID = 30
"""Thresholds tried of each net."""
FOLDS = 20
"""Parts of a calibration half that a choice is validated on."""
AIM = 0.0005
"""Step of the mean losses that a choice may aim at."""


@dataclass(frozen=True)
class Choice:
    """An option and its thresholds."""

    option: int
    thresholds: tuple[float, ...]
    mean_uj: float
    """On the pictures that it was chosen on."""


@dataclass(frozen=True)
class Reading:
    """A cascade with its thresholds, on some pictures."""

    exits: Indices
    """Which net of the row answers, shape [n]."""
    uj: Floats
    """Net energy, shape [n]."""


@dataclass(frozen=True)
class Table:
    """Loss and energy of a cascade under all thresholds tried, summed over parts of pictures."""

    grids: tuple[Floats, ...]
    """Thresholds by net."""
    loss: Floats
    """Shape [parts, thresholds]."""
    uj: Floats
    """Likewise."""

    def thresholds(self, at: int) -> tuple[float, ...]:
        """Return the thresholds of a column."""
        index = np.unravel_index(at, [len(grid) for grid in self.grids])
        return tuple(float(grid[i]) for grid, i in zip(self.grids, index, strict=True))


def halves(count: int, splits: int, seed: int) -> Iterator[tuple[Indices, Indices]]:
    """Yield calibration and test half of each split, as indices of pictures."""
    random = np.random.default_rng(seed)
    for _ in range(splits):
        order = random.permutation(count)
        yield order[: count // 2], order[count // 2 :]


def tabulate(confidence: Floats, harm: Floats, stage_uj: Sequence[float]) -> Table:
    """Try thresholds of a cascade of two or three nets.

    Args:
        confidence: of all nets but the last, shape [nets - 1, n].
        harm: loss of answering by each net, shape [nets, n].
        stage_uj: net energy of each net.
    """
    grids = tuple(_grid(row) for row in confidence)
    parts = [np.arange(harm.shape[1]) % FOLDS == part for part in range(FOLDS)]
    sums = [_sums(confidence[:, p], harm[:, p], stage_uj, grids) for p in parts]
    loss, uj = np.array(sums).reshape(FOLDS, 2, -1).swapaxes(0, 1)
    return Table(grids, loss, uj)


def _grid(confidence: Floats) -> Floats:
    """Return thresholds from never leaving down to always."""
    finite = np.minimum(confidence, np.finfo(float).max)
    found: Floats = np.quantile(finite, np.linspace(1, 0, GRID), method="nearest")
    return np.concatenate([[np.inf], found])


def _sums(
    confidence: Floats, harm: Floats, stage_uj: Sequence[float], grids: Sequence[Floats]
) -> tuple[Floats, Floats]:
    stays = [1.0 - _leaves(row, grid[:, None]) for row, grid in zip(confidence, grids, strict=True)]
    first = stays[0]
    second = stays[1] if len(stays) > 1 else np.ones((1, harm.shape[1]))
    loss = ((1 - first) @ harm[0])[:, None] + (first * harm[1]) @ (1 - second).T
    loss += (first * harm[-1]) @ second.T
    uj = (stage_uj[0] * harm.shape[1] + stage_uj[1] * first.sum(axis=1))[:, None] + 0 * loss
    return loss, uj + (stage_uj[2] * (first @ second.T) if len(stays) > 1 else 0)


def _leaves(confidence: Floats, threshold: Floats) -> NDArray[np.bool_]:
    """Whether an answer is taken: an infinite threshold takes none, however sure."""
    found: NDArray[np.bool_] = (confidence >= threshold) & np.isfinite(threshold)
    return found


def choose(tables: Sequence[Table], count: int, allowed: float) -> Choice | None:
    """Choose option and thresholds of least energy whose mean loss is allowed; None if none is.

    Args:
        tables: of the options, on the same pictures.
        count: pictures.
        allowed: mean loss.
    """
    best: Choice | None = None
    for index, table in enumerate(tables):
        uj = table.uj.sum(axis=0)
        (at,) = _cheapest(table.loss.sum(axis=0), uj, np.array([allowed * count]))
        if at >= 0 and (best is None or uj[at] < best.mean_uj * count):
            best = Choice(index, table.thresholds(at), float(uj[at]) / count)
    return best


def validated_aims(tables: Sequence[Table], count: int, allowed: Sequence[float]) -> list[float]:
    """Return for each loss allowed the greatest mean loss that a choice may aim at.

    Of many options the one that looks cheapest was lucky too. So a choice is made on all parts but
    one, and its loss on the part left out is counted: the aim is the greatest, up to the loss
    allowed, with which that is kept; 0 if none is.

    Args:
        tables: of the options, on the same pictures.
        count: pictures.
        allowed: mean losses.
    """
    sizes = np.bincount(np.arange(count) % FOLDS, minlength=FOLDS)
    aims = np.arange(0, max(allowed) + AIM / 2, AIM)
    lost = np.zeros(len(aims))
    whole = [(table.loss.sum(axis=0), table.uj.sum(axis=0)) for table in tables]
    for part in range(FOLDS):
        uj, loss = np.full((2, len(tables), len(aims)), np.inf)
        for index, (table, (all_loss, all_uj)) in enumerate(zip(tables, whole, strict=True)):
            rest_uj = all_uj - table.uj[part]
            limits = aims * (count - sizes[part])
            at = _cheapest(all_loss - table.loss[part], rest_uj, limits)
            uj[index] = np.where(at >= 0, rest_uj[at], np.inf)
            loss[index] = np.where(at >= 0, table.loss[part, at], np.inf)
        lost += loss[uj.argmin(axis=0), np.arange(len(aims))]
    kept = [lost <= loss * count for loss in allowed]
    reached = [aims[(aims <= loss + 1e-9) & fits] for loss, fits in zip(allowed, kept, strict=True)]
    return [float(each.max(initial=0)) for each in reached]


def _cheapest(loss: Floats, uj: Floats, limits: Floats) -> Indices:
    """Return the column of least energy whose loss is within each limit; -1 where none is."""
    order = np.argsort(uj, kind="stable")
    least = -np.minimum.accumulate(loss[order])
    at = np.searchsorted(least, -limits - 1e-9)
    return np.where(at < len(order), order[np.minimum(at, len(order) - 1)], -1)


def read(confidence: Floats, stage_uj: Sequence[float], thresholds: Sequence[float]) -> Reading:
    """Read a cascade with its thresholds; the arguments are as `tabulate` takes them."""
    leaves: NDArray[np.bool_] = np.ones((len(stage_uj), confidence.shape[1]), bool)
    leaves[:-1] = _leaves(confidence, np.array(thresholds)[:, None])
    exits = leaves.argmax(axis=0)
    return Reading(exits, np.cumsum(stage_uj)[exits])
