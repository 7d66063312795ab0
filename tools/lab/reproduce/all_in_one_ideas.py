"""All ideas in one bundle against each alone: same board, deadline and loss, least net energy.

Every way may choose its clock; a way is allowed an accuracy loss against the full net without
exits. What it chooses, it chooses on held-back images, and what is printed is of test images:

    clock        the full net, no exits: the clock alone
    early-exit   the full width, leaving early
    little-big   a narrower ratio answers first, the full net where its score margin is thin
    pruning      one ratio for all frames, no exits
    all-in-one   one ratio for all frames and leaving early, or any of the above

A choice on held-back images loses more on the test images than was allowed, and one way more than
another. So each way is also asked what it would have cost at the loss that all-in-one really had:
there the ways alone may choose on the test images, which favours them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge_infer.boards.cost_table import OperatingPoint
from edge_infer.lab.costs.board_costs import CLASSIC, NetCost, board_table, net_cost
from edge_infer.lab.reproduce.all_in_one_answers import Answers, RatioAnswers, accuracy_of
from edge_infer.models_tflite import Bundle

WAYS = ("clock", "early-exit", "little-big", "pruning", "all-in-one")
UNION = WAYS[-1]


class _Option(NamedTuple):
    """Nets or exits at a clock, and what a frame costs by where it leaves."""

    name: str
    point: OperatingPoint
    answers: Answers
    costs: list[NetCost]


class _BoardCosts:
    """Costs of every ratio on one board, one thread."""

    def __init__(self, plains: Mapping[str, Bundle], board: str) -> None:
        self._tables = {ratio: board_table(plain, board) for ratio, plain in plains.items()}
        self._names = {
            ratio: [stage.name for stage in plain.manifest.stages]
            for ratio, plain in plains.items()
        }
        table = next(iter(self._tables.values()))
        self.points = tuple(point for point in table.points if point.threads == 1)

    def net(self, ratio: str, point: OperatingPoint) -> NetCost:
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
    ratios: Mapping[str, RatioAnswers],
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
        keep the deadline has `net_uj` None. `net_uj_at_equal_loss` is the least that the way
        could have cost on the test images without losing more there than all-in-one did.
    """
    full = next(iter(ratios.values()))
    rows = []
    for board in boards:
        costs = _BoardCosts({name: found.plain for name, found in ratios.items()}, board)
        top_ns = costs.net(next(iter(ratios)), costs.points[-1]).time_ns
        for deadline, loss in product(deadlines, losses_points):
            least = full.net.accuracy[0] - loss / 100
            kept = {way: _within(way, ratios, costs, deadline * top_ns) for way in WAYS}
            chosen = {way: _best(kept[way], least, full.net) for way in WAYS}
            key = {
                "board": board, "deadline_us": deadline * top_ns / 1000,
                "allowed_loss_points": loss,
            }  # fmt: skip
            for way in WAYS:
                equal = chosen[way]["net_uj"]
                if way != UNION:
                    equal = _least(kept[way], chosen[UNION]["loss_points"], full.net)
                rows.append(key | {"way": way} | chosen[way] | {"net_uj_at_equal_loss": equal})
    return rows


def _within(
    way: str, ratios: Mapping[str, RatioAnswers], costs: _BoardCosts, deadline_ns: float
) -> list[_Option]:
    """Return what a way may choose from that keeps a deadline for every frame."""
    found = _options(way, ratios, costs)
    return [option for option in found if option.costs[-1].time_ns <= deadline_ns]


def _options(way: str, ratios: Mapping[str, RatioAnswers], costs: _BoardCosts) -> Iterator[_Option]:
    """Yield what a way may choose from."""
    full = next(iter(ratios))
    for (name, found), point in product(ratios.items(), costs.points):
        net = costs.net(name, point)
        if name == full or way in ("pruning", "all-in-one"):
            yield _Option(name, point, found.net, [net])
        if way == "all-in-one" or (way == "early-exit" and name == full):
            yield _Option(name, point, found.exits, costs.exits(name, point))
        if way in ("little-big", "all-in-one") and found.first is not None:
            both = [net, net + costs.net(full, point)]
            yield _Option(f"{name} then {full}", point, found.first, both)


def _least(options: Iterable[_Option], most_points: float | None, full: Answers) -> float | None:
    """Return the least net uJ on the test images at a loss there; None if none is so small."""
    if most_points is None:
        return None
    least = accuracy_of(full.test, ()) - most_points / 100 - 1e-12
    found = [
        float(energies[allowed].min())
        for answers, energies in (
            (option.answers, option.answers.test_shares @ _energies(option)) for option in options
        )
        if (allowed := answers.test_accuracy >= least).any()
    ]
    return min(found) / 1000 if found else None


def _energies(option: _Option) -> NDArray[np.float64]:
    return np.array([cost.energy_nj for cost in option.costs], np.float64)


def _best(options: Iterable[_Option], least: float, full: Answers) -> dict[str, Any]:
    """Return the cheapest choice on the held-back images, as it fares on the test images."""
    best: tuple[float, _Option, int] | None = None
    for option in options:
        energies = option.answers.shares @ _energies(option)
        allowed = np.where(option.answers.accuracy >= least, energies, np.inf)
        at = int(allowed.argmin())
        if np.isfinite(allowed[at]) and (best is None or allowed[at] < best[0]):
            best = float(allowed[at]), option, at
    if best is None:
        return dict.fromkeys(("choice", "clock_khz", "shares", "net_uj", "loss_points"))
    _, option, at = best
    thresholds = option.answers.path[at]
    shares = option.answers.test.shares(thresholds)
    energy_nj = float(np.dot(shares, _energies(option)))
    lost = accuracy_of(full.test, ()) - accuracy_of(option.answers.test, thresholds)
    return {
        "choice": option.name,
        "clock_khz": option.point.clock_khz,
        "shares": [round(share, 4) for share in shares],
        "net_uj": energy_nj / 1000,
        "loss_points": 100 * lost,
    }
