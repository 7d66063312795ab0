"""Which two of the nets of a little/big recipe make the bundle."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from edge_infer.lab.train.recipe import Recipe
from edge_infer.lab.tuning import ExitOutcomes, choose_thresholds, split_calibration


def shipped_pair(
    recipe: Recipe,
    held_back_accuracy: Mapping[str, float],
    outcomes_of: Callable[[Sequence[str]], ExitOutcomes],
    macs_of: Callable[[Sequence[str]], Sequence[int]],
) -> list[str]:
    """Return the little and the big that are shipped.

    The big is the smallest that reaches the recipe's `big_target`, or the most accurate if none
    does; the little is the one whose pair needs the fewest expected multiply-accumulates. Both on
    the held-back images: nothing is chosen on the test images.

    Args:
        recipe: its exits say which nets are little; the others are bigs, smallest first.
        held_back_accuracy: of each net, 0 to 1.
        outcomes_of: outcomes of a pair on the held-back images.
        macs_of: multiply-accumulates of each net of a pair.
    """
    bigs = [part.name for part in recipe.exits if not part.little]
    fit = [name for name in bigs if 100 * held_back_accuracy[name] >= recipe.big_target]
    big = fit[0] if fit else max(bigs, key=lambda name: held_back_accuracy[name])
    littles = [part.name for part in recipe.exits if part.little]
    expected = {
        little: expected_macs(recipe, outcomes_of([little, big]), macs_of([little, big]))
        for little in littles
    }
    return [min(littles, key=lambda little: expected[little]), big]


def expected_macs(recipe: Recipe, outcomes: ExitOutcomes, macs: Sequence[int]) -> float:
    """Return the mean multiply-accumulates of a pair that keeps the recipe's promise.

    Args:
        recipe: what it promises.
        outcomes: on the held-back images.
        macs: of the little and of the big net.
    """
    costs = np.cumsum(macs).astype(float)
    split = split_calibration(outcomes, list(costs), np.random.default_rng(recipe.training.seed))
    choice = choose_thresholds(split, list(costs), recipe.allowance)
    return float(costs[-1]) if choice is None else choice.energy_nj
