"""Answers and labels that do not belong together, and the reading that would be right."""

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_infer.runtime.label_check import Confusion, ExpectedAccuracy

Classes = NDArray[np.int64]
NAMES = [f"class {number}" for number in range(10)]
STATED = ExpectedAccuracy(0.95, 1000)


def confusion(labels: Classes, answers: Classes) -> Confusion:
    found = Confusion(NAMES)
    for label, answer in zip(labels.tolist(), answers.tolist(), strict=True):
        found.add(label, answer)
    return found


@pytest.fixture
def true() -> Classes:
    return np.random.default_rng(5).integers(0, 10, 1000)


@pytest.fixture
def answers(true: Classes) -> Classes:
    rng = np.random.default_rng(6)
    return np.where(rng.random(len(true)) < 0.95, true, rng.integers(0, 10, len(true)))


@pytest.mark.parametrize("expected", [STATED, None])
def test_right_labels_are_not_doubted(
    true: Classes, answers: Classes, expected: ExpectedAccuracy | None
) -> None:
    assert not confusion(true, answers).verdict(expected).doubtful


@pytest.mark.parametrize("expected", [STATED, None])
@pytest.mark.parametrize(("offset", "told"), [(1, "take -1"), (-1, "take +1")])
def test_an_offset_by_one_is_named(
    true: Classes, answers: Classes, expected: ExpectedAccuracy | None, offset: int, told: str
) -> None:
    inside = (true + offset >= 0) & (true + offset < 10)
    verdict = confusion(true[inside] + offset, answers[inside]).verdict(expected)
    assert verdict.state == "chance"
    assert verdict.suggestion is not None and verdict.suggestion.kind == "offset"
    assert told in verdict.text
    assert verdict.suggestion.accuracy > 0.9


@pytest.mark.parametrize("expected", [STATED, None])
def test_another_order_of_classes_is_named(
    true: Classes, answers: Classes, expected: ExpectedAccuracy | None
) -> None:
    order = np.array([3, 0, 7, 1, 9, 2, 8, 4, 5, 6])
    verdict = confusion(order[true], answers).verdict(expected)
    assert verdict.state == "chance"
    assert verdict.suggestion is not None and verdict.suggestion.kind == "order"
    assert "'class 1' for 'class 0'" in verdict.text


def test_two_classes_exchanged_are_short_of_the_manifest(true: Classes, answers: Classes) -> None:
    order = np.arange(10)
    order[[2, 5]] = order[[5, 2]]
    verdict = confusion(order[true], answers).verdict(STATED)
    assert verdict.state == "short"
    assert "'class 5' for 'class 2', 'class 2' for 'class 5'" in verdict.text


def test_shuffled_labels_suggest_nothing(true: Classes, answers: Classes) -> None:
    verdict = confusion(np.random.default_rng(1).permutation(true), answers).verdict(STATED)
    assert verdict.state == "chance"
    assert verdict.suggestion is None
    assert "--mean" in verdict.text


def test_one_answer_for_all_is_named(true: Classes) -> None:
    verdict = confusion(true, np.full(1000, 4)).verdict(STATED)
    assert verdict.state == "chance"
    assert "100 % of the answers are 'class 4'" in verdict.text


@pytest.mark.parametrize("expected", [STATED, None])
def test_one_class_alone_answered_right_is_no_chance(expected: ExpectedAccuracy | None) -> None:
    same = np.full(200, 3)
    assert not confusion(same, same).verdict(expected).doubtful


def test_less_than_a_hundred_frames_say_nothing(true: Classes) -> None:
    assert confusion(true[:99], (true[:99] + 1) % 10).verdict(STATED).state == "too few frames"


def test_three_standard_errors_are_allowed(true: Classes) -> None:
    few = ExpectedAccuracy(0.95, 100)
    wrong = np.where(np.arange(1000) < 110, (true + 1) % 10, true)
    assert confusion(true, wrong).verdict(few).state == "as stated"
    assert confusion(true, wrong).verdict(ExpectedAccuracy(0.95, 10_000)).state == "short"
