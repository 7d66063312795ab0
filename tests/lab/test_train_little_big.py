"""Which little and which big net of a recipe are shipped."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_infer.lab.train.recipe import ExitPart, PromisePart, Recipe, read_recipe
from edge_infer.lab.train.trained_bundle import expected_macs, shipped_pair
from edge_infer.lab.tuning import ExitOutcomes

RECIPE = replace(
    read_recipe("mnist-little-big"),
    exits=(
        ExitPart("tiny", little=True),
        ExitPart("small", little=True),
        ExitPart("big1"),
        ExitPart("big2"),
        ExitPart("big3"),
    ),
    promise=PromisePart(allowed_loss_points=1.0, confidence=0.95),
    big_target=99.6,
)
MACS = {"tiny": 100, "small": 300, "big1": 10_000, "big2": 20_000, "big3": 40_000}


def pair_of(sure: float, n: int = 2000) -> ExitOutcomes:
    """A big that is always right, and a little that is right and sure on a share of the inputs."""
    right: NDArray[Any] = np.ones((2, n), bool)
    right[0, round(sure * n) :] = False
    return ExitOutcomes(np.where(right[:1], 100.0, 1.0), right)


def shipped(accuracy: dict[str, float], sure: dict[str, float], recipe: Recipe = RECIPE) -> Any:
    def outcomes(pair: Sequence[str]) -> ExitOutcomes:
        return pair_of(sure[pair[0]])

    return shipped_pair(recipe, accuracy, outcomes, lambda pair: [MACS[name] for name in pair])


def test_the_smallest_big_that_reaches_the_target_is_the_baseline() -> None:
    accuracy = {"big1": 0.9959, "big2": 0.996, "big3": 0.999}
    assert shipped(accuracy, {"tiny": 0.9, "small": 0.9})[1] == "big2"


def test_if_none_reaches_it_the_most_accurate_is() -> None:
    accuracy = {"big1": 0.98, "big2": 0.995, "big3": 0.991}
    assert shipped(accuracy, {"tiny": 0.9, "small": 0.9})[1] == "big2"


@pytest.mark.parametrize(("tiny", "chosen"), [(0.95, "tiny"), (0.90, "small")])
def test_the_little_is_the_one_whose_pair_needs_fewest_macs(tiny: float, chosen: str) -> None:
    # 100 + 0.05 * 10,000 = 600 is less than 300 + 0.04 * 10,000 = 700, less than 100 + 0.10 * ...
    accuracy = {"big1": 0.999, "big2": 0.999, "big3": 0.999}
    assert shipped(accuracy, {"tiny": tiny, "small": 0.96})[0] == chosen


def test_expected_macs_count_the_share_that_goes_on() -> None:
    # A few of the unsure inputs may be harmed within the loss_bound, so a little less than 10 %.
    found = expected_macs(RECIPE, pair_of(0.9), [100, 10_000])
    assert 100 + 0.09 * 10_000 < found <= 100 + 0.1 * 10_000


def test_a_little_that_is_always_wrong_costs_the_big_net_too() -> None:
    outcomes = ExitOutcomes(np.full((1, 2000), 50.0), np.array([[False], [True]]).repeat(2000, 1))
    assert expected_macs(RECIPE, outcomes, [100, 10_000]) == 10_100
