"""Which ratios a family has: spaced so that latency stays level over the clocks of boards.

At a share s of a board's top clock a net needs the share s of the full net's cycles to answer in
the same time. One ratio serves the clocks from its own share down to its share over `spread`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from edge_infer.boards.cost_model import CostModel
from edge_infer.boards.profile import load_profile
from edge_infer.boards.registry import SIMULATED
from edge_infer.lab.train.errors import TrainError
from edge_infer.lab.train.prunable.widths import (
    Shape,
    Widths,
    step_of,
    widths_of,
    with_heads,
    works_at,
)
from edge_infer.lab.train.recipe import PrunablePart, Recipe, read_recipe
from edge_infer.models_tflite.manifest import FULL_RATIO

TOLERANCE = 0.01
"""Widths whose cost is as near as this to what is wanted are told apart by their evenness."""
UNEVENNESS_AN_ERROR = 2.0
"""How much variance of the layers' shares one unit of relative error beyond that is worth."""
FARTHEST = 0.1
"""Relative error from which a ratio does not serve its clock."""
STARTS = 4
STEPS_AWAY = 2


@dataclass(frozen=True, slots=True)
class Ratio:
    """One ratio of a family."""

    name: str
    """Share of the full net's cycles that was aimed at, rounded: "0.67"."""
    widths: Widths
    """In the order of `widths_of`."""
    share: float
    """Of the full net's cycles, as the widths have it, on the board it was aimed at."""


def shares_needed(clocks_khz: Mapping[str, Sequence[int]], spread: float) -> dict[float, str]:
    """Return the shares of a top clock that need a ratio of their own, widest first.

    Args:
        clocks_khz: by board.
        spread: longest over shortest latency that may stand between two clocks of one ratio.

    Returns:
        Board by share; the full width, 1.0, comes first.
    """
    wanted = {khz / max(all_): board for board, all_ in clocks_khz.items() for khz in all_}
    chosen: dict[float, str] = {}
    for share in sorted(wanted, reverse=True):
        # A hair of tolerance: 1500 over 1350 MHz is 1.1111 whatever the rounding.
        if not chosen or min(chosen) / share > spread + 1e-9:
            chosen[share] = wanted[share]
    return chosen


def ratios_of(recipe: Recipe, shape: Shape, classes: int) -> tuple[Ratio, ...]:
    """Return the ratios that a recipe states or its boards ask for, or those of its trunk.

    Args:
        recipe: of the kind prunable.
        shape: height, width and channels of the input.
        classes: logits of each exit.

    Raises:
        TrainError: no widths come near a share, or the trunk is another net.
        ProfileError: a board has no cost figures.
    """
    part = recipe.prunable
    assert part is not None
    if part.widths:
        return _chosen_ratios(recipe.net, shape, classes, part)
    if not part.trunk:
        return spaced_ratios(recipe.net, shape, classes, part.boards, part.spread)
    trunk = read_recipe(part.trunk)
    return tuple(
        replace(ratio, widths=with_heads(recipe.net, trunk.net, ratio.widths))
        for ratio in ratios_of(trunk, shape, classes)
    )


def _chosen_ratios(
    net: Mapping[str, Any], shape: Shape, classes: int, part: PrunablePart
) -> tuple[Ratio, ...]:
    model = CostModel(load_profile(part.boards[0].removeprefix(SIMULATED)))
    full = _cycles(net, widths_of(net), shape, classes, model)
    return tuple(
        Ratio(name, tuple(widths), _cycles(net, widths, shape, classes, model) / full)
        for name, widths in part.widths.items()
    )


def _cycles(
    net: Mapping[str, Any], widths: Sequence[int], shape: Shape, classes: int, model: CostModel
) -> float:
    found = [model.cycles(work) for work in works_at(net, widths, shape, classes)]
    return sum(each.kernel + each.overhead for each in found)


def spaced_ratios(
    net: Mapping[str, Any], shape: Shape, classes: int, boards: Sequence[str], spread: float
) -> tuple[Ratio, ...]:
    """Return the ratios of a net by the boards' cost models, the full width first.

    Args:
        net: of a recipe, at full width.
        shape: height, width and channels of the input.
        classes: logits of each exit.
        boards: names of simulated boards; the first one that has a clock decides about its share.
        spread: as in `shares_needed`.

    Raises:
        TrainError: no widths come near a share.
        ProfileError: a board has no cost figures.
    """
    models = {name: CostModel(load_profile(name.removeprefix(SIMULATED))) for name in boards}
    clocks = {name: models[name].cpu.clocks_khz for name in reversed(boards)}
    full = widths_of(net)
    ratios = []
    for share, board in shares_needed(clocks, spread).items():

        def cycles(widths: Sequence[int], model: CostModel = models[board]) -> float:
            return _cycles(net, widths, shape, classes, model)

        target = share * cycles(full)

        def error(widths: Sequence[int], target: float = target, cost: Any = cycles) -> float:
            return float(cost(widths) / target - 1)

        widths = full if share == 1 else _nearest(full, error)
        name = FULL_RATIO if share == 1 else f"{share:.2f}".rstrip("0")
        ratios.append(Ratio(name, widths, cycles(widths) / cycles(full)))
    return tuple(ratios)


def _nearest(full: Widths, error: Callable[[Widths], float]) -> Widths:
    """Return the most even widths among those within `TOLERANCE` of a share, or the nearest.

    Args:
        full: widths at full width.
        error: relative distance of the cost of some widths to what is wanted.
    """

    def rank(widths: Widths) -> float:
        shares = [width / whole for width, whole in zip(widths, full, strict=True)]
        mean = sum(shares) / len(shares)
        unevenness = sum((share - mean) ** 2 for share in shares) / len(shares)
        return max(0.0, abs(error(widths)) - TOLERANCE) * UNEVENNESS_AN_ERROR + unevenness

    even = sorted({_even(full, permille / 1000) for permille in range(100, 1001, 5)})
    near = sorted(even, key=lambda widths: abs(error(widths)))[:STARTS]
    best = min({tried for widths in near for tried in _around(widths, full)}, key=rank)
    if abs(error(best)) > FARTHEST:
        raise TrainError(f"[net]: widths {best} are {error(best):+.1%} off what a clock needs")
    return best


def _even(full: Widths, share: float) -> Widths:
    """Return all widths at about the same share, in their steps."""
    steps = map(step_of, full)
    return tuple(
        min(width, max(step, round(width * share / step) * step))
        for width, step in zip(full, steps, strict=True)
    )


def _around(widths: Widths, full: Widths) -> set[Widths]:
    """Return widths and those that are one step away in up to `STEPS_AWAY` layers."""
    found = {widths}
    for _ in range(STEPS_AWAY):
        found |= {
            (*each[:k], each[k] + sign * step_of(full[k]), *each[k + 1 :])
            for each in found
            for k in range(len(full))
            for sign in (-1, 1)
            if step_of(full[k]) <= each[k] + sign * step_of(full[k]) <= full[k]
        }
    return found
