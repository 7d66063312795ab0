import numpy as np
import pytest
from numpy.typing import NDArray

from edge_infer.lab.adapt.exit_choice import choose_exits
from edge_infer.lab.adapt.features import PointFeatures, quantisation_of
from edge_infer.lab.adapt.head_fit import (
    FOLDS,
    Inputs,
    Targets,
    class_weights,
    fit_head,
    probabilities_of,
)
from edge_infer.lab.adapt.head_quantisation import quantised_head
from edge_infer.lab.adapt.logistic import fit_logistic
from edge_infer.models_tflite.attached_heads import NONE, AttachedHead, Quantisation
from edge_infer.models_tflite.graph import Tensor
from edge_infer.models_tflite.quantization import quantize

CLASSES, CHANNELS = 3, 12


def tensor(dtype: str) -> Tensor:
    scale, zero = ((), ()) if dtype == "float32" else ((0.05,), (-128 if dtype == "int8" else 0,))
    shape = (1, 4, 4, CHANNELS)
    return Tensor(0, "map", shape, shape, dtype, scale, zero, False, False)


def features(
    dtype: str, count: int, seed: int = 0, mean_as: Quantisation | None = None
) -> tuple[PointFeatures, NDArray[np.int64]]:
    """Means that tell the classes apart, channels of very different spread, maxima that do not."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, CLASSES, count)
    centres = np.random.default_rng(9).normal(0, 1, (CLASSES, CHANNELS))
    spread = np.geomspace(0.05, 1, CHANNELS)
    real = 2 + spread * (0.5 * centres[labels] + random.normal(0, 0.6, (count, CHANNELS)))
    top = random.integers(60, 120, (count, CHANNELS))
    if dtype == "float32":
        return PointFeatures(tensor(dtype), real.astype("f"), top.astype("f"), NONE), labels
    mean_as = mean_as or quantisation_of(dtype, 0.0, float(real.max()))
    means = quantize(real.astype(np.float32), *mean_as, dtype)
    return PointFeatures(tensor(dtype), means, top.astype(dtype), mean_as), labels


def targets(labels: NDArray[np.int64]) -> Targets:
    count = len(labels)
    return Targets(
        labels, np.eye(CLASSES, dtype=np.float32)[labels], np.ones(count, np.float32),
        np.arange(count) % FOLDS, np.ones(count, bool),
    )  # fmt: skip


def as_the_net_does(head: AttachedHead, given: PointFeatures) -> NDArray[np.float64]:
    """The integer arithmetic of the written head, logits in real values."""
    limits = np.iinfo(given.tensor.dtype)
    total = np.zeros((len(given.top), CLASSES))
    for part in head.parts:
        values = given.mean if part.pool == "mean" else given.top
        assert values is not None
        steps = values.astype(np.int64) - part.pooled.zero_point
        weights = part.weights.astype(np.int64) - part.weights_as.zero_point
        real = (steps @ weights.T + part.bias) * (part.pooled.scale * part.weights_as.scale)
        raw = np.rint(real / part.scores.scale) + part.scores.zero_point
        total += (np.clip(raw, limits.min, limits.max) - part.scores.zero_point) * part.scores.scale
    raw = np.rint(total / head.scores.scale) + head.scores.zero_point
    kept = np.clip(raw, limits.min, limits.max) - head.scores.zero_point
    return np.asarray(kept * head.scores.scale)


@pytest.mark.parametrize("penalty", [0.3, 0.01])
def test_the_fit_is_at_the_minimum(penalty: float) -> None:
    random = np.random.default_rng(0)
    inputs = random.normal(0, 1, (300, 5)).astype(np.float32)
    soft = random.dirichlet(np.ones(CLASSES), 300).astype(np.float32)
    weights = random.uniform(0.5, 1.5, 300)
    weights = (weights / weights.mean()).astype(np.float32)
    found = fit_logistic(inputs, soft, weights, penalty)
    rest = (probabilities_of(found.logits(inputs)) - soft) * weights[:, np.newaxis] / 300
    assert np.abs(rest.T @ inputs + penalty * found.weights).max() < 3e-4
    assert np.abs(rest.sum(axis=0)).max() < 3e-4
    warm = fit_logistic(inputs, soft, weights, penalty, found)
    np.testing.assert_allclose(warm.weights, found.weights, atol=2e-3)


def test_cross_validation_leaves_out_what_does_not_help() -> None:
    given, labels = features("int8", 600)
    head = fit_head(given, targets(labels))
    assert head.pools == ("mean",)
    fresh, truth = features("int8", 2000, seed=1)
    accuracy = (head.logits(fresh).argmax(axis=1) == truth).mean()
    assert accuracy > 0.8 and head.accuracy == pytest.approx(accuracy, abs=0.06)


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_the_integer_head_answers_as_the_real_one(dtype: str) -> None:
    given, labels = features(dtype, 900)
    head = fit_head(given, targets(labels))
    fresh, truth = features(dtype, 4000, 1, given.mean_as)
    real, integer = head.logits(fresh), as_the_net_does(quantised_head("exit", head, given), fresh)
    accuracies = [(rows.argmax(axis=1) == truth).mean() for rows in (real, integer)]
    assert abs(accuracies[0] - accuracies[1]) <= 0.003
    assert (real.argmax(axis=1) == integer.argmax(axis=1)).mean() > 0.97


def test_scores_in_front_are_never_the_highest() -> None:
    given, labels = features("int8", 300)
    head = fit_head(given, targets(labels))
    made = quantised_head("exit", head, given, offset=1)
    part = made.parts[0]
    assert part.weights.shape == (CLASSES + 1, CHANNELS) and not part.weights[0].any()
    low = part.bias[0] * part.pooled.scale * part.weights_as.scale
    assert low == pytest.approx(part.scores.scale * (-128 - part.scores.zero_point), rel=0.01)


def test_a_float_head_is_not_rounded() -> None:
    given, labels = features("float32", 300)
    head = fit_head(given, targets(labels))
    made = quantised_head("exit", head, given)
    assert made.scores == NONE and made.parts[0].weights.dtype == np.float32
    means = Inputs.of(given, ("mean",)).values
    again = means @ made.parts[0].weights.T + made.parts[0].bias
    np.testing.assert_allclose(again, head.logits(given), atol=1e-4)


def test_balanced_weights_let_a_rare_class_be_answered() -> None:
    given, labels = features("float32", 3000)
    rare = np.flatnonzero(labels == 2)
    rows = np.concatenate([np.flatnonzero(labels < 2), rare[:40]])
    few, told = given.taken(rows), labels[rows]
    fresh, truth = features("float32", 3000, seed=1)
    known = {}
    for balanced in (True, False):
        made = targets(told)
        weights = class_weights(told, CLASSES, balanced)
        assert weights.mean() == pytest.approx(1, abs=1e-5)
        asked = Targets(told, made.probabilities, weights, made.folds, made.as_they_are)
        answers = fit_head(few, asked).logits(fresh).argmax(axis=1)
        known[balanced] = (answers[truth == 2] == 2).mean()
    assert known[True] > known[False] + 0.1


def test_exits_are_chosen_that_save_and_not_those_that_know_nothing() -> None:
    random = np.random.default_rng(0)
    labels = random.integers(0, CLASSES, 1500)
    truth = np.eye(CLASSES)[labels]
    noise = random.normal(0, 1, (5, 1500, CLASSES))
    # Of four points the first knows nothing, the second half, the fourth no more than the third.
    strengths = (0.0, 3.0, 5.0, 5.0, 6.0)
    logits = [(s * truth + n).astype(np.float32) for s, n in zip(strengths, noise, strict=True)]
    macs = [10, 20, 30, 90, 100]
    chosen = choose_exits(logits[:4], logits[4], labels, macs, 2, 0.01)
    assert chosen == (1, 2)
    assert choose_exits(logits[:4], logits[4], labels, macs, 4, 0.01) == (0, 1, 2, 3)
