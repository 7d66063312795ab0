from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from edge_infer.runtime.errors import RunError
from edge_infer.runtime.exit_criterion import (
    CRITERIA,
    FEW_CLASSES,
    confidences,
    exit_criterion,
    negative_entropy,
    score_margin,
    top_score,
)

Array = NDArray[Any]

DTYPES = (np.int8, np.uint8, np.float32)


def score_rows(dtype: type) -> st.SearchStrategy[Array]:
    sizes = st.integers(2, FEW_CLASSES) | st.integers(FEW_CLASSES + 1, 300)
    elements = st.floats(-50, 50, width=32) if dtype is np.float32 else None
    return sizes.flatmap(lambda n: hnp.arrays(dtype, n, elements=elements))


@pytest.mark.parametrize("dtype", DTYPES)
@given(data=st.data())
def test_score_margin_is_the_distance_of_the_two_largest(dtype: type, data: st.DataObject) -> None:
    scores = data.draw(score_rows(dtype))
    answer, margin = score_margin(scores)
    second, top = sorted(scores.tolist())[-2:]
    assert answer == int(np.argmax(scores))
    assert margin == top - second


def test_score_margin_does_not_wrap_in_int8() -> None:
    assert score_margin(np.array([127, -128, -128], np.int8)) == (0, 255)
    assert score_margin(np.array([0] * 999 + [127], np.int8) - np.int8(0)) == (999, 127)
    wide = np.full(1000, -128, np.int8)
    wide[3] = 127
    assert score_margin(wide) == (3, 255)


def test_score_margin_leaves_the_scores_as_they_were() -> None:
    for classes in (10, 1000):
        scores = np.random.default_rng(classes).integers(-128, 127, classes, np.int8)
        before = scores.copy()
        score_margin(scores)
        assert np.array_equal(scores, before)


@given(score_rows(np.int8), st.floats(0.01, 0.5))
def test_entropy_is_that_of_the_softmax(scores: Array, scale: float) -> None:
    real = scores.astype(np.float64) * scale
    softmax = np.exp(real - real.max())
    softmax /= softmax.sum()
    entropy = -sum(p * np.log(p) for p in softmax if p > 0)
    answer, confidence = negative_entropy(scores, scale)
    assert answer == int(np.argmax(scores))
    assert confidence == pytest.approx(-entropy, abs=1e-9)


@pytest.mark.parametrize("name", CRITERIA)
@given(data=st.data())
def test_rows_at_once_equal_row_by_row(name: str, data: st.DataObject) -> None:
    rows = data.draw(hnp.arrays(np.int8, st.tuples(st.integers(1, 8), st.integers(2, 12))))
    answers, found = confidences(name, rows, 0.1)
    judge = exit_criterion(name, None, 0.1)
    for row, answer, confidence in zip(rows, answers, found, strict=True):
        decision = judge(row)
        assert decision.answer == answer
        assert decision.confidence == pytest.approx(confidence, abs=1e-9)


def test_leaves_at_the_threshold_and_not_below() -> None:
    scores = np.array([5, 25, 3], np.int8)
    assert exit_criterion("score-margin", 20)(scores).leave
    assert not exit_criterion("score-margin", 21)(scores).leave
    assert exit_criterion("top-score", 25)(scores).leave
    assert not exit_criterion("top-score", 26)(scores).leave
    assert top_score(scores) == (1, 25)


def test_entropy_leaves_at_or_below_its_nats() -> None:
    even = np.zeros(4, np.int8)  # entropy ln 4 = 1.386
    assert exit_criterion("entropy", 1.39)(even).leave
    assert not exit_criterion("entropy", 1.38)(even).leave


def test_a_threshold_per_class_is_that_of_the_answer() -> None:
    judge = exit_criterion("score-margin", (100, 10))
    assert not judge(np.array([60, 0], np.int8)).leave
    assert judge(np.array([0, 60], np.int8)).leave


def test_the_last_stage_always_leaves() -> None:
    assert exit_criterion("score-margin", None)(np.zeros(10, np.int8)).leave


def test_an_unknown_criterion_is_named() -> None:
    with pytest.raises(RunError, match=r"patience.*score-margin, top-score, entropy"):
        exit_criterion("patience", 3)
