import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.profile import examples

from edge_infer.lab.tuning import LossTest, samples_needed
from edge_infer.lab.tuning.binomial_tail import binomial_cdf, log_factorials


def trinomial(samples: int, harmed: int, helped: int, p_harmed: float, p_helped: float) -> float:
    ways = math.comb(samples, harmed) * math.comb(samples - harmed, helped)
    rest = samples - harmed - helped
    chance = p_harmed**harmed * p_helped**helped * (1 - p_harmed - p_helped) ** rest
    return float(ways * chance)


@given(
    samples=st.integers(5, 60),
    allowed=st.floats(0.02, 0.3),
    confidence=st.floats(0.6, 0.99),
    helped=st.floats(0, 0.3),
    excess=st.floats(0, 0.1),
)
@settings(max_examples=examples(60))
def test_a_loss_above_the_allowed_one_is_accepted_at_most_as_often_as_stated(
    samples: int, allowed: float, confidence: float, helped: float, excess: float
) -> None:
    test = LossTest(samples, allowed, confidence)
    chance = sum(
        trinomial(samples, i, j, min(helped + allowed + excess, 1 - helped), helped)
        for i in range(samples + 1)
        for j in range(samples + 1 - i)
        if test.accepts(i, j)
    )
    assert chance <= 1 - confidence + 1e-3


@pytest.mark.parametrize(("samples", "allowed"), [(500, 0.02), (2000, 0.005), (10_000, 0.0012)])
def test_its_probability_has_no_peak_between_the_points_it_was_summed_at(
    samples: int, allowed: float
) -> None:
    test = LossTest(samples, allowed, 0.95)
    highest = 1.4 * len(test.most_harmed) / samples
    assert max(test.size(q) for q in np.linspace(0, highest, 211)) <= 0.05 + 1e-4


def test_without_helped_inputs_it_is_the_exact_binomial_test() -> None:
    for samples, allowed in ((1000, 0.01), (5000, 0.005), (3000, 0.0012)):
        chances = [
            math.exp(
                math.lgamma(samples + 1) - math.lgamma(k + 1) - math.lgamma(samples - k + 1)
                + k * math.log(allowed) + (samples - k) * math.log1p(-allowed)
            )
            for k in range(40)
        ]  # fmt: skip
        most = sum(total <= 0.05 for total in np.cumsum(chances)) - 1
        assert LossTest(samples, allowed, 0.95).most_harmed[0] == most


def test_helped_inputs_make_room_for_harmed_ones() -> None:
    most = LossTest(5000, 0.01, 0.95).most_harmed
    assert (np.diff(most) >= 0).all()
    assert most[30] > most[0] + 15


def test_what_0_12_points_at_95_percent_take() -> None:
    assert samples_needed(0.0012, 0.95) == 2495
    assert LossTest(2495, 0.0012, 0.95).accepts(0, 0)
    assert not LossTest(2494, 0.0012, 0.95).accepts(0, 0)


@pytest.mark.parametrize("arguments", [(0, 0.01, 0.95), (10, 0.0, 0.95), (10, 0.01, 1.0)])
def test_what_it_cannot_test(arguments: tuple[int, float, float]) -> None:
    with pytest.raises(ValueError, match="no test of a loss"):
        LossTest(*arguments)


def test_many_helped_inputs_are_accepted_too_and_no_more_often_than_stated() -> None:
    test = LossTest(6000, 0.01, 0.95)
    assert test.accepts(320, 320) and not test.accepts(360, 320)
    worst = max(test.size(q) for q in np.linspace(0.02, 0.13, 60))
    assert 0.03 < worst <= 0.05 + 1e-4
    draws = np.random.default_rng(3).multinomial(6000, (0.06 + 0.01, 0.06, 0.87), 4000)
    accepted = np.mean([test.accepts(int(i), int(j)) for i, j, _ in draws])
    assert accepted <= 0.05 + 3 * (0.05 * 0.95 / 4000) ** 0.5


def test_the_binomial_distribution_function_is_the_sum_of_its_terms() -> None:
    random = np.random.default_rng(0)
    for trials, chance in ((1, 0.5), (40, 0.02), (700, 0.3), (700, 0.999), (30_000, 0.07)):
        terms = [
            math.exp(math.lgamma(trials + 1) - math.lgamma(k + 1) - math.lgamma(trials - k + 1)
                     + k * math.log(chance) + (trials - k) * math.log1p(-chance))
            for k in range(trials + 1)
        ]  # fmt: skip
        most = np.unique([-1, 0, trials, *random.integers(0, trials + 1, 30)])
        wanted = [sum(terms[: k + 1]) for k in most.tolist()]
        found = binomial_cdf(most, np.full(len(most), trials), chance, log_factorials(trials))
        np.testing.assert_allclose(found, wanted, atol=1e-8)
