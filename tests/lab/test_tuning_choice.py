import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fakes.score_pool import score_pool
from tests.profile import examples

from edge_infer.lab.tuning import (
    ExitOutcomes,
    LossBound,
    LossTest,
    TooFewSamplesError,
    choose_thresholds,
    split_calibration,
)
from edge_infer.lab.tuning.threshold_choice import (
    accepted,
    learned_path,
    learned_points,
    sinking_path,
)
from edge_infer.runtime.exit_criterion import CRITERIA, exit_criterion

ENERGY_NJ = (16.0, 45.0, 64.0, 97.0)
LITTLE_BIG_NJ = (10.0, 107.0)


def pool(inputs: int, exits: int = 4) -> ExitOutcomes:
    scores, labels = score_pool(inputs, seed=3)
    kept = [*scores[: exits - 1], scores[-1]]
    return ExitOutcomes.of_scores(kept, labels, "score-margin", [1.0] * exits)


def random_outcomes(random: np.random.Generator, inputs: int, exits: int) -> ExitOutcomes:
    return ExitOutcomes(
        random.integers(0, 6, (exits - 1, inputs)).astype(float),
        random.random((exits, inputs)) < np.linspace(0.6, 0.9, exits)[:, np.newaxis],
    )


@pytest.mark.parametrize("criterion", CRITERIA)
def test_inputs_leave_where_the_runtime_lets_them(criterion: str) -> None:
    scores, labels = score_pool(200, seed=1)
    scales = [0.1, 0.2, 0.1, 0.1]
    outcomes = ExitOutcomes.of_scores(scores, labels, criterion, scales)  # type: ignore[arg-type]
    bounds = tuple(float(np.median(row)) for row in outcomes.confidence)
    sign = -1 if criterion == "entropy" else 1
    judges = [
        exit_criterion(criterion, None if bound is None else sign * bound, scale)
        for bound, scale in zip((*bounds, None), scales, strict=True)
    ]
    leaving = [
        next(k for k, judge in enumerate(judges) if judge(scores[k][i]).leave)
        for i in range(len(labels))
    ]
    assert outcomes.exits(bounds).tolist() == leaving
    answers = [scores[k][i].argmax() for i, k in enumerate(leaving)]
    harmed, helped = outcomes.counts(bounds)
    right = int((np.array(answers) == labels).sum())
    assert harmed - helped == int(outcomes.right[-1].sum()) - right


@given(st.integers(0, 10_000), st.integers(2, 4))
@settings(max_examples=examples(40))
def test_a_learned_path_starts_safe_and_gets_cheaper(seed: int, exits: int) -> None:
    outcomes = random_outcomes(np.random.default_rng(seed), 30, exits)
    energy_nj = ENERGY_NJ[:exits]
    path = learned_path(outcomes, energy_nj)
    spent = [float(np.dot(outcomes.shares(point), energy_nj)) for point in path]
    harm = [np.subtract(*outcomes.counts(point)) for point in path]
    assert min(harm) >= -int((~outcomes.right[-1]).sum())
    assert spent[-1] == pytest.approx(energy_nj[0])
    assert spent[-1] <= min(spent)


@given(st.integers(0, 10_000))
@settings(max_examples=examples(40))
def test_no_threshold_of_one_exit_is_both_cheaper_and_safer_than_the_learned_ones(
    seed: int,
) -> None:
    outcomes = random_outcomes(np.random.default_rng(seed), 25, 2)
    every = [*sinking_path(outcomes), (math.inf,)]

    def figures(point: tuple[float, ...]) -> tuple[float, int]:
        harmed, helped = outcomes.counts(point)
        return float(np.dot(outcomes.shares(point), LITTLE_BIG_NJ)), harmed - helped

    for energy_nj, loss in map(figures, learned_points(outcomes, LITTLE_BIG_NJ)):
        assert not any(a < energy_nj and b < loss for a, b in map(figures, every))


def test_the_sinking_path_passes_every_confidence() -> None:
    outcomes = pool(400, exits=2)
    path = sinking_path(outcomes)
    leaving = [outcomes.shares(point)[0] for point in path]
    assert leaving == sorted(leaving)
    assert leaving[-1] == 1.0
    assert len(path) == len(np.unique(outcomes.confidence[0]))


@pytest.mark.parametrize("exits", [2, 4])
def test_the_cheapest_of_the_accepted_is_chosen_and_every_earlier_one_was_accepted(
    exits: int,
) -> None:
    energy_nj = LITTLE_BIG_NJ if exits == 2 else ENERGY_NJ
    outcomes = pool(3000, exits)
    split = split_calibration(outcomes, energy_nj, np.random.default_rng(0))
    choice = choose_thresholds(split, energy_nj, LossBound(0.01, 0.95))
    assert choice is not None
    test = LossTest(len(split.tested), 0.01, 0.95)
    walked = list(
        itertools.takewhile(lambda point: test.accepts(*split.tested.counts(point)), split.path)
    )
    assert choice.thresholds in walked
    assert choice.energy_nj == min(
        float(np.dot(split.tested.shares(point), energy_nj)) for point in walked
    )
    assert choice.energy_nj < 0.6 * energy_nj[-1]
    assert (choice.harmed, choice.helped) == split.tested.counts(choice.thresholds)


def test_the_inputs_a_path_is_learned_on_are_not_tested_on() -> None:
    outcomes = pool(1000)
    split = split_calibration(outcomes, ENERGY_NJ, np.random.default_rng(0))
    assert len(split.tested) == 800
    assert len(
        split_calibration(pool(1000, 2), LITTLE_BIG_NJ, np.random.default_rng(0)).tested
    ) == (1000)


def test_a_split_too_small_says_how_many_inputs_it_takes() -> None:
    outcomes = pool(400)
    split = split_calibration(outcomes, ENERGY_NJ, np.random.default_rng(0))
    with pytest.raises(TooFewSamplesError, match=r"400 calibration inputs .* 0.5 points at 95%"):
        choose_thresholds(split, ENERGY_NJ, LossBound(0.005, 0.95))
    with pytest.raises(TooFewSamplesError, match="it takes 748 "):
        choose_thresholds(split, ENERGY_NJ, LossBound(0.005, 0.95))


def test_an_exit_that_is_always_wrong_is_never_taken() -> None:
    right = np.array([np.zeros(1000, bool), np.ones(1000, bool)])
    outcomes = ExitOutcomes(np.linspace(0, 1, 1000)[np.newaxis], right)
    split = split_calibration(outcomes, LITTLE_BIG_NJ, np.random.default_rng(0))
    choice = choose_thresholds(split, LITTLE_BIG_NJ, LossBound(0.01, 0.95))
    assert choice is not None
    assert choice.shares[0] <= 0.01


@pytest.mark.parametrize(
    ("exits", "samples", "draws"),
    [(2, 500, 100), (4, 800, 60)]
    + [pytest.param(*case, 250, marks=pytest.mark.slow) for case in ((2, 500), (4, 800))],
)
def test_the_promise_holds_on_the_population(exits: int, samples: int, draws: int) -> None:
    loss_bound = LossBound(0.01, 0.95)
    energy_nj = LITTLE_BIG_NJ if exits == 2 else ENERGY_NJ
    population = pool(30_000, exits)
    random = np.random.default_rng(11)
    broken, spent = 0, []
    for _ in range(draws):
        drawn = population.taken(random.integers(0, len(population), samples))
        choice = choose_thresholds(
            split_calibration(drawn, energy_nj, random), energy_nj, loss_bound
        )
        if choice is None:
            spent.append(energy_nj[-1])
            continue
        harmed, helped = population.counts(choice.thresholds)
        broken += harmed - helped > loss_bound.loss * len(population)
        spent.append(float(np.dot(population.shares(choice.thresholds), energy_nj)))
    assert broken / draws <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / draws)
    # A promise that is kept by never leaving early would be worth nothing.
    assert np.mean(spent) < 0.75 * energy_nj[-1]


def test_accepted_choices_stop_at_the_first_that_fails() -> None:
    outcomes = pool(2000, 2)
    split = split_calibration(outcomes, LITTLE_BIG_NJ, np.random.default_rng(0))
    found = list(accepted(split, LITTLE_BIG_NJ, LossBound(0.005, 0.95)))
    test = LossTest(2000, 0.005, 0.95)
    assert 0 < len(found) < len(split.path)
    assert not test.accepts(*outcomes.counts(split.path[len(found)]))
