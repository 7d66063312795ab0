from itertools import product

import numpy as np
import pytest

from edge_infer.lab.reproduce.imagenet_splits import (
    choose,
    halves,
    read,
    tabulate,
    validated_aims,
)
from edge_infer.lab.reproduce.imagenet_stack import Floats

UJ = (1.0, 4.0, 10.0)
COUNT = 120


def case(nets: int, seed: int = 0) -> tuple[Floats, Floats]:
    """Confidence and harm: who is less sure does more harm."""
    random = np.random.default_rng(seed)
    confidence = random.random((nets - 1, COUNT))
    harm = np.zeros((nets, COUNT))
    harm[:-1] = (random.random((nets - 1, COUNT)) > 0.3 + confidence) * 1.0
    harm[:-1] -= random.random((nets - 1, COUNT)) < 0.05
    return confidence, harm


def test_halves_share_no_picture_and_are_the_same_for_a_seed() -> None:
    found = list(halves(11, 5, seed=3))
    for calibration, test in found:
        assert sorted([*calibration, *test]) == list(range(11))
        assert abs(len(calibration) - len(test)) <= 1
    again = list(halves(11, 5, seed=3))
    assert all((a[0] == b[0]).all() for a, b in zip(found, again, strict=True))


@pytest.mark.parametrize("nets", [2, 3])
def test_a_table_is_what_reading_gives(nets: int) -> None:
    confidence, harm = case(nets)
    table = tabulate(confidence, harm, UJ[:nets])
    for at, thresholds in enumerate(product(*table.grids)):
        assert table.thresholds(at) == thresholds
        if at % 37 == 0:
            reading = read(confidence, UJ[:nets], thresholds)
            loss = harm[reading.exits, np.arange(COUNT)].sum()
            assert table.loss[:, at].sum() == pytest.approx(loss)
            assert table.uj[:, at].sum() == pytest.approx(reading.uj.sum())


@pytest.mark.parametrize("allowed", [0.0, 0.02, 0.1, 1.0])
def test_a_choice_keeps_the_loss_and_nothing_cheaper_does(allowed: float) -> None:
    confidence, harm = case(3)
    table = tabulate(confidence, harm, UJ)
    choice = choose([table], COUNT, allowed)
    assert choice is not None
    fits = table.loss.sum(axis=0) <= allowed * COUNT + 1e-9
    assert choice.mean_uj == pytest.approx(table.uj.sum(axis=0)[fits].min() / COUNT)
    reading = read(confidence, UJ, choice.thresholds)
    assert harm[reading.exits, np.arange(COUNT)].mean() <= allowed + 1e-9
    assert reading.uj.mean() == pytest.approx(choice.mean_uj)


def test_an_infinite_threshold_takes_no_answer_however_sure() -> None:
    confidence = np.array([[np.inf, 0.5]])
    assert read(confidence, UJ[:2], (np.inf,)).exits.tolist() == [1, 1]
    assert read(confidence, UJ[:2], (0.7,)).exits.tolist() == [0, 1]


def test_no_option_keeps_a_loss_that_the_last_net_breaks() -> None:
    confidence, harm = case(2)
    table = tabulate(confidence, harm + 1, UJ[:2])
    assert choose([table], COUNT, 0.0) is None
    assert validated_aims([table], COUNT, [0.0]) == [0]


def test_of_many_lucky_options_the_aim_is_lower_than_of_one() -> None:
    """All are alike but for luck: the more there are, the luckier the one that looks cheapest."""
    one = [tabulate(*case(3, seed=1), UJ)]
    many = [tabulate(*case(3, seed=seed), UJ) for seed in range(1, 30)]
    losses = [0.02, 0.05, 0.1]
    found = validated_aims(many, COUNT, losses)
    assert found == sorted(found), "who may lose more may aim at more"
    assert all(aim <= loss for aim, loss in zip(found, losses, strict=True))
    assert found[1] <= validated_aims(one, COUNT, losses)[1]
