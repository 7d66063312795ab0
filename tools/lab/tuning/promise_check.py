"""Does the promise hold? Calibration sets drawn from a pool that is taken for the population."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_infer.lab.tuning import (
    ExitOutcomes,
    LossBound,
    TooFewSamplesError,
    choose_thresholds,
    split_calibration,
)
from edge_infer.lab.work import IN_PROCESS, CellRunner

LOSSES = (0.001, 0.005, 0.01, 0.02)
SIZES = (500, 2000, 5000)


def check_promise(
    pool: ExitOutcomes,
    exit_energy_nj: Sequence[float],
    confidence: float,
    draws: int,
    losses: Sequence[float] = LOSSES,
    sizes: Sequence[int] = SIZES,
    seed: int = 0,
    work: CellRunner = IN_PROCESS,
) -> list[dict[str, Any]]:
    """Tune on many sets drawn from a pool and count how often the pool's loss is above the allowed.

    Args:
        pool: the population; sets are drawn from it with replacement, so independently.
        exit_energy_nj: mean net energy by exit.
        confidence: of the promise.
        draws: sets for each size and loss_bound.
        losses: bounds, as shares.
        sizes: inputs in a set.
        seed: of the draws; each size and loss bound has draws of its own.
        work: runs them.

    Returns:
        A row for each size and loss_bound: the share of draws whose thresholds break the promise on
        the pool, the bound on it (1 - confidence and two standard errors), the share of draws that
        could promise nothing and kept the plain net, and the mean energy used of the last exit's.
    """
    cells = [
        _Cell(LossBound(loss, confidence), size, draws, (seed, row, column))
        for row, size in enumerate(sizes)
        for column, loss in enumerate(losses)
    ]
    return work.map(_row, (pool, tuple(exit_energy_nj)), cells, "sizes and bounds")


@dataclass(frozen=True, slots=True)
class _Cell:
    """A row of the check, with its own draws."""

    loss_bound: LossBound
    size: int
    draws: int
    seed: tuple[int, ...]


def _row(shared: tuple[ExitOutcomes, Sequence[float]], cell: _Cell) -> dict[str, Any]:
    pool, exit_energy_nj = shared
    loss_bound, size, draws = cell.loss_bound, cell.size, cell.draws
    random = np.random.default_rng(cell.seed)
    broken = none = 0
    spent = []
    for _ in range(draws):
        drawn = pool.taken(random.integers(0, len(pool), size))
        split = split_calibration(drawn, exit_energy_nj, random)
        try:
            choice = choose_thresholds(split, exit_energy_nj, loss_bound)
        except TooFewSamplesError:
            choice = None
        if choice is None:
            none += 1
            spent.append(exit_energy_nj[-1])
            continue
        harmed, helped = pool.counts(choice.thresholds)
        broken += harmed - helped > loss_bound.loss * len(pool)
        spent.append(float(np.dot(pool.shares(choice.thresholds), exit_energy_nj)))
    chance = 1 - loss_bound.confidence
    return {
        "inputs": size,
        "allowed_points": 100 * loss_bound.loss,
        "draws": draws,
        "broken_percent": 100 * broken / draws,
        "bound_percent": 100 * (chance + 2 * (chance * loss_bound.confidence / draws) ** 0.5),
        "none_percent": 100 * none / draws,
        "energy_percent": 100 * float(np.mean(spent)) / exit_energy_nj[-1],
    }
