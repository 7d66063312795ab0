import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from runtime.exit_criterion import exit_criterion
from tools.train.errors import TrainError
from tools.train.thresholds import (
    apply_thresholds,
    binomial_upper_bound,
    choose_thresholds,
    samples_needed,
)

Array = NDArray[Any]


@given(st.integers(1, 400), st.data())
def test_the_bound_is_where_the_binomial_tail_reaches_one_minus_confidence(
    samples: int, data: st.DataObject
) -> None:
    events = data.draw(st.integers(0, samples - 1))
    p = Fraction(binomial_upper_bound(events, samples, 0.95))
    tail = sum(math.comb(samples, k) * p**k * (1 - p) ** (samples - k) for k in range(events + 1))
    assert float(tail) == pytest.approx(0.05, rel=1e-6)


def test_bounds_from_the_tables() -> None:
    assert binomial_upper_bound(0, 100, 0.95) == pytest.approx(1 - 0.05**0.01)
    assert binomial_upper_bound(2, 10, 0.975) == pytest.approx(0.5561, abs=1e-4)
    assert binomial_upper_bound(10, 10, 0.95) == 1.0


@pytest.mark.parametrize(("points", "needed"), [(0.12, 2495), (1.0, 299), (5.0, 59)])
def test_images_needed_for_any_promise(points: float, needed: int) -> None:
    assert samples_needed(points, 0.95) == needed
    assert 100 * binomial_upper_bound(0, needed, 0.95) <= points
    assert 100 * binomial_upper_bound(0, needed - 1, 0.95) > points


def heads(seed: int, n: int, exits: int) -> tuple[list[Array], Array]:
    """Scores that know the label the better, the later the exit."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 5, n)
    scores = []
    for k in range(exits):
        raw = rng.normal(0, 20, (n, 5))
        raw[np.arange(n), labels] += 25 * (k + 1)
        scores.append(np.clip(raw, -128, 127).astype(np.int8))
    return scores, labels


@given(st.integers(0, 999), st.integers(2, 4), st.sampled_from([1.0, 2.0, 5.0]))
def test_thresholds_keep_the_allowance_and_say_what_a_run_does(
    seed: int, exits: int, allowed: float
) -> None:
    scores, labels = heads(seed, 320, exits)
    choice = choose_thresholds(scores, labels, allowed, 0.95)
    assert len(choice.values) == exits - 1 and choice.bound_points <= allowed
    criteria = [exit_criterion("score-margin", value) for value in (*choice.values, None)]
    left, right, harmed = [0] * exits, 0, 0
    for row in range(len(labels)):
        for k, judge in enumerate(criteria):
            decision = judge(scores[k][row])
            if decision.leave:
                break
        left[k] += 1
        right += decision.answer == labels[row]
        last_right = scores[-1][row].argmax() == labels[row]
        harmed += bool(last_right and decision.answer != labels[row])
    full = (scores[-1].argmax(1) == labels).mean()
    assert choice.harmed == harmed
    assert np.allclose(choice.shares, np.array(left) / len(labels))
    assert choice.loss_points == pytest.approx(100 * (full - right / len(labels)))
    accuracy, shares = apply_thresholds(scores, labels, choice.values)
    assert accuracy == pytest.approx(right / len(labels)) and np.allclose(shares, choice.shares)


@given(st.integers(0, 999))
def test_a_larger_allowance_never_lets_fewer_leave(seed: int) -> None:
    scores, labels = heads(seed, 320, 3)
    stay = [choose_thresholds(scores, labels, a, 0.95).shares[-1] for a in (1.0, 2.0, 4.0, 8.0)]
    assert stay == sorted(stay, reverse=True)


def test_a_first_exit_that_is_never_wrong_takes_all() -> None:
    scores, labels = heads(0, 320, 2)
    choice = choose_thresholds([scores[-1], scores[-1]], labels, 1.0, 0.95)
    assert choice.values == (0,) and choice.shares == (1.0, 0.0) and choice.harmed == 0


def test_a_harmful_image_above_all_others_closes_the_exit_above_itself() -> None:
    labels = np.zeros(320, np.int64)
    good, bad = np.array([60, 0], np.int8), np.array([0, 127], np.int8)
    first = np.tile(good, (320, 1))
    first[7] = bad
    choice = choose_thresholds([first, np.tile(good, (320, 1))], labels, 1.0, 0.95)
    assert choice.values == (128,) and choice.shares == (0.0, 1.0)


def test_too_few_images_promise_nothing() -> None:
    scores, labels = heads(0, 100, 2)
    with pytest.raises(TrainError, match=r"100 held-back images cannot promise 1.0 .* least 299"):
        choose_thresholds(scores, labels, 1.0, 0.95)
