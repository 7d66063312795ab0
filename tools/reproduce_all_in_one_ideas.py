"""All ideas in one bundle against each alone: same board, deadline and loss, least net energy.

Every way may choose its clock; a way is allowed an accuracy loss against the full net without
exits. What it chooses, it chooses on held-back images, and what is printed is of test images:

    clock        the full net, no exits: the clock alone
    early-exit   the full width, leaving early
    pruning      one ratio for all frames, no exits
    all-in-one   one ratio for all frames, leaving early
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from boards.operating_point import OperatingPoint
from models_tflite import Bundle
from runtime.tuning import ExitOutcomes
from runtime.tuning.exit_outcomes import Thresholds
from runtime.tuning.threshold_path import learned_path

from .classic_net import CLASSIC
from .comparison_table import board_table
from .exit_costs import NetCost, net_cost

WAYS = ("clock", "early-exit", "pruning", "all-in-one")


@dataclass(frozen=True)
class RatioOutcomes:
    """What a ratio of a bundle answers."""

    plain: Bundle
    """The ratio as a bundle of its own."""
    held_back: ExitOutcomes
    test: ExitOutcomes


@dataclass(frozen=True)
class _Choice:
    """A ratio at a clock, leaving at thresholds, or without exits if None."""

    ratio: str
    point: OperatingPoint
    thresholds: Thresholds | None
    energy_nj: float
    """Net, expected on the held-back images."""


class BoardCosts:
    """Costs of every ratio on one board, one thread."""

    def __init__(self, plains: Mapping[str, Bundle], board: str) -> None:
        self.board = board
        self._tables = {ratio: board_table(plain, board) for ratio, plain in plains.items()}
        self._names = {
            ratio: [stage.name for stage in plain.manifest.stages]
            for ratio, plain in plains.items()
        }
        table = next(iter(self._tables.values()))
        self.points = tuple(point for point in table.points if point.threads == 1)

    def plain(self, ratio: str, point: OperatingPoint) -> NetCost:
        """Return the cost of the net without exits."""
        table = self._tables[ratio]
        return net_cost(table.row(CLASSIC, point), table.idle_reference_uw)

    def exits(self, ratio: str, point: OperatingPoint) -> list[NetCost]:
        """Return the cost by the exit that a frame leaves at."""
        table, total, found = self._tables[ratio], NetCost(0, 0, 0), []
        for name in self._names[ratio]:
            total = total + net_cost(table.row(name, point), table.idle_reference_uw)
            found.append(total)
        return found


def compare_ideas(
    ratios: Mapping[str, RatioOutcomes],
    boards: Sequence[str],
    deadlines: Sequence[float],
    losses_points: Sequence[float],
) -> list[dict[str, Any]]:
    """Return one row a board, deadline, allowed loss and way.

    Args:
        ratios: widest first.
        boards: names of simulated boards.
        deadlines: as multiples of the full net's time at the top clock.
        losses_points: allowed on the held-back images, in percentage points.

    Returns:
        Rows with the choice, and its net energy and loss on the test images; a way that cannot
        keep the deadline has `net_uj` None.
    """
    full = next(iter(ratios))
    rows = []
    plains = {name: found.plain for name, found in ratios.items()}
    for board in boards:
        costs = BoardCosts(plains, board)
        top_ns = costs.plain(full, costs.points[-1]).time_ns
        paths = {name: _path(found, costs, name) for name, found in ratios.items()}
        for deadline in deadlines:
            for loss in losses_points:
                for way in WAYS:
                    chosen = min(
                        _choices(way, ratios, costs, paths, deadline * top_ns, loss),
                        key=lambda choice: choice.energy_nj,
                        default=None,
                    )
                    key = {
                        "board": board, "deadline_us": deadline * top_ns / 1000,
                        "allowed_loss_points": loss, "way": way,
                    }  # fmt: skip
                    rows.append(key | _tested(chosen, ratios, costs))
    return rows


def _path(found: RatioOutcomes, costs: BoardCosts, ratio: str) -> list[Thresholds]:
    """Learn thresholds on the held-back images, with the energies at the top clock."""
    energies = [cost.energy_nj for cost in costs.exits(ratio, costs.points[-1])]
    return learned_path(found.held_back, energies)


def _choices(
    way: str,
    ratios: Mapping[str, RatioOutcomes],
    costs: BoardCosts,
    paths: Mapping[str, Sequence[Thresholds]],
    deadline_ns: float,
    loss_points: float,
) -> Iterator[_Choice]:
    full = next(iter(ratios))
    least = ratios[full].held_back.right[-1].mean() - loss_points / 100
    for name, found in ratios.items():
        if name != full and way in ("clock", "early-exit"):
            return
        outcomes = found.held_back
        if outcomes.right[-1].mean() >= least:
            for point in costs.points:
                cost = costs.plain(name, point)
                if cost.time_ns <= deadline_ns:
                    yield _Choice(name, point, None, cost.energy_nj)
        if way in ("clock", "pruning"):
            continue
        kept = [t for t in paths[name] if _accuracy(outcomes, t) >= least]
        shares = [np.asarray(outcomes.shares(thresholds)) for thresholds in kept]
        for point in costs.points:
            by_exit = costs.exits(name, point)
            if by_exit[-1].time_ns > deadline_ns:
                continue
            energies = np.array([cost.energy_nj for cost in by_exit])
            for thresholds, share in zip(kept, shares, strict=True):
                yield _Choice(name, point, thresholds, float(share @ energies))


def _accuracy(outcomes: ExitOutcomes, thresholds: Thresholds) -> float:
    exits = outcomes.exits(thresholds)
    return float(outcomes.right[exits, np.arange(len(exits))].mean())


def _tested(
    chosen: _Choice | None, ratios: Mapping[str, RatioOutcomes], costs: BoardCosts
) -> dict[str, Any]:
    """Return what a choice does to the test images."""
    if chosen is None:
        return dict.fromkeys(("ratio", "clock_khz", "shares", "net_uj", "loss_points"))
    outcomes = ratios[chosen.ratio].test
    reference = next(iter(ratios.values())).test.right[-1].mean()
    if chosen.thresholds is None:
        shares: NDArray[Any] = np.eye(len(outcomes.right))[-1]
        accuracy = float(outcomes.right[-1].mean())
        energy_nj = costs.plain(chosen.ratio, chosen.point).energy_nj
    else:
        shares = np.asarray(outcomes.shares(chosen.thresholds))
        accuracy = _accuracy(outcomes, chosen.thresholds)
        by_exit = [cost.energy_nj for cost in costs.exits(chosen.ratio, chosen.point)]
        energy_nj = float(shares @ by_exit)
    return {
        "ratio": chosen.ratio,
        "clock_khz": chosen.point.clock_khz,
        "shares": [round(float(share), 4) for share in shares],
        "net_uj": energy_nj / 1000,
        "loss_points": 100 * float(reference - accuracy),
    }
