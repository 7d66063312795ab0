"""The exit predictor: it learns, is calibrated, survives the manifest, and refuses nonsense."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy
from numpy.typing import NDArray

from edge_infer.lab.baselines.zero_pad import fit_zero_pad, zero_pad_rounds
from edge_infer.lab.tuning.predictor_fitting import fit_predictor, predictor_quality
from edge_infer.models_tflite.bundle import open_bundle
from edge_infer.models_tflite.errors import ManifestError
from edge_infer.runtime.planning.problem import predicted_exits
from edge_infer.runtime.predictor import SoftmaxPredictor, carried_predictor, score_features

SCALE = 0.1


def drawn_inputs(count: int, seed: int) -> tuple[NDArray[np.int8], NDArray[np.int64]]:
    """Scores whose margin says where an input leaves, with noise."""
    draw = np.random.default_rng(seed)
    margin = draw.uniform(0, 80, count)
    scores = draw.integers(-90, -40, (count, 10))
    scores[np.arange(count), draw.integers(0, 10, count)] = -40 + margin
    hardness = margin + draw.normal(0, 12, count)
    exits = np.select([hardness > 55, hardness > 35, hardness > 18], [0, 1, 2], 3)
    return scores.astype(np.int8), exits.astype(np.int64)


def fitted(count: int = 3000, seed: int = 1) -> SoftmaxPredictor:
    scores, exits = drawn_inputs(count, seed)
    return fit_predictor(scores, exits, 4, SCALE, "drawn")


def test_it_predicts_better_than_the_shares_alone() -> None:
    predictor = fitted()
    scores, exits = drawn_inputs(3000, 2)
    staying = exits > 0
    later = exits[staying] - 1
    seen = np.array([predictor.probabilities(row) for row in scores[staying]])
    shares = np.bincount(later, minlength=3) / len(later)
    blind = np.tile(shares, (len(later), 1))
    ours, theirs = predictor_quality(seen, later), predictor_quality(blind, later)
    assert ours["brier"] is not None
    assert theirs["brier"] is not None
    assert ours["brier"] < 0.8 * theirs["brier"]


def test_it_is_calibrated_on_inputs_it_has_not_seen() -> None:
    predictor = fitted(6000)
    scores, exits = drawn_inputs(6000, 3)
    staying = exits > 0
    bins = np.array([predictor.bin_of(row) for row in scores[staying]])
    later = exits[staying] - 1
    for bin_, stated in enumerate(predictor.bin_exits):
        inside = later[bins == bin_]
        assert len(inside) > 50
        found = np.bincount(inside, minlength=3) / len(inside)
        tolerance = 4 * math.sqrt(0.25 / len(inside)) + 4 * math.sqrt(0.25 / 250)
        assert found == pytest.approx(stated, abs=tolerance)


def test_shares_and_probabilities_sum_to_one() -> None:
    predictor = fitted()
    assert sum(predictor.bin_shares) == pytest.approx(1, abs=1e-5)
    for row in predictor.bin_exits:
        assert sum(row) == pytest.approx(1, abs=1e-5)
        assert all(0 < p < 1 for p in row)
    distribution = predicted_exits(predictor)
    assert distribution.leave == (predictor.leave_first,)


def test_the_manifest_keeps_it_to_the_last_bin() -> None:
    predictor = fitted()
    again = SoftmaxPredictor.from_document(json.loads(json.dumps(predictor.to_document())))
    assert again == predictor
    scores, _ = drawn_inputs(300, 4)
    assert [again.bin_of(row) for row in scores] == [predictor.bin_of(row) for row in scores]


@given(st_numpy.arrays(np.int8, 10))
def test_any_scores_have_a_bin(scores: NDArray[np.int8]) -> None:
    predictor = PREDICTOR
    assert 0 <= predictor.bin_of(scores) < len(predictor.bin_shares)


PREDICTOR = fitted(400)


@given(st.lists(st.integers(-128, 127), min_size=2, max_size=20), st.randoms())
def test_features_do_not_depend_on_which_class_is_which(values: list[int], random: object) -> None:
    mixed = list(values)
    random.shuffle(mixed)  # type: ignore[attr-defined]
    found = score_features(values, SCALE, 4)
    assert score_features(mixed, SCALE, 4) == pytest.approx(found)
    entropy = found[-1]
    assert -1e-9 <= entropy <= math.log(len(values)) + 1e-9


def test_two_stages_leave_nothing_to_predict() -> None:
    scores, exits = drawn_inputs(200, 5)
    predictor = fit_predictor(scores, np.minimum(exits, 1), 2, SCALE, "drawn")
    assert predictor.bin_exits == ((1.0,),)
    assert predictor.bin_of(scores[0]) == 0


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"kind": "oracle"}, "of kind 'oracle'"),
        ({"edges": [0.1]}, "do not fit together"),
        ({"mean": [1.0]}, "zip|do not fit"),
        ({"surprise": 1}, "surprise"),
        ({"scale": 0}, "want numbers above 0"),
        ({"deviation": [0.0] * 6}, "want numbers above 0"),
        ({"ranks": 4.0}, "ranks is 4.0"),
        ({"ranks": 10**9}, "ranks is 1000000000"),
        ({"mean": ["a"] * 6}, "bad operand|no number"),
        ({"edges": [1e300]}, "no number up to"),
        ({"leave_first": 1.5}, "want shares from 0 to 1"),
        ({"bin_exits": 3}, "must be an iterable"),
        ({"fitted_on": []}, "fitted_on is no object"),
    ],
)
def test_a_damaged_document_is_refused(change: dict[str, object], says: str) -> None:
    document = fitted(400).to_document() | change
    with pytest.raises(ValueError, match=says):
        SoftmaxPredictor.from_document(json.loads(json.dumps(document)))


def test_one_for_other_stages_is_refused() -> None:
    manifest = replace(
        open_bundle("digits-little-big").manifest, predictor={"1.0": fitted(400).to_document()}
    )
    with pytest.raises(ManifestError, match=r"tells \d later exits apart, the bundle has 1"):
        carried_predictor(manifest)


def test_zero_padding_grows_the_logits_until_the_rule_is_met() -> None:
    # [0 1 0] -> [1 1 1] -> [1 2 3 2 1]: 3 at the second round, bound 2 at both exits.
    assert zero_pad_rounds([0.0, 1.0, 0.0], 1.0, (2.0, 2.0, 2.0, 2.0)) == 1
    assert zero_pad_rounds([0.0, 5.0, 0.0], 1.0, (2.0, 2.0, 2.0, 2.0)) == 0
    # Never passing means the last exit, the third of the later ones.
    assert zero_pad_rounds([0.0, 0.0], 1.0, (2.0, 2.0, 2.0, 2.0)) == 2


def test_zero_padding_probabilities_are_counted_and_smoothed() -> None:
    scores, exits = drawn_inputs(2000, 6)
    stages = [scores] * 4
    predictor = fit_zero_pad(stages, exits, SCALE, 0, [(SCALE, 0)] * 4)
    staying = exits > 0
    bins = np.array([predictor.bin_of(row) for row in scores[staying]])
    for bin_, stated in enumerate(predictor.bin_exits):
        inside = exits[staying][bins == bin_] - 1
        counted = np.bincount(inside, minlength=3) + 1
        assert stated == pytest.approx(counted / counted.sum())
