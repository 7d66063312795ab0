import numpy as np
import pytest
from numpy.typing import NDArray

from edge_infer.lab.tuning.temperature import RANGE, fitted_temperature, fitted_temperatures
from edge_infer.models_tflite import open_bundle
from edge_infer.runtime.answers import softmax


def drawn(temperature: float, count: int = 20_000) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Logits, and labels that are as likely as their softmax over the temperature says."""
    random = np.random.default_rng(3)
    values = random.normal(0, 4, (count, 6))
    shares = softmax(values, temperature)
    labels = (shares.cumsum(axis=1) < random.random((count, 1))).sum(axis=1)
    return values, labels


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_that_the_labels_were_drawn_at_is_found(temperature: float) -> None:
    values, labels = drawn(temperature)
    found = fitted_temperature(values, labels)
    assert found == pytest.approx(temperature, rel=0.05)
    # What is told is how often it is right: within each tenth of the probability.
    shares = softmax(values, found)
    told, right = shares.max(axis=1), shares.argmax(axis=1) == labels
    for low in (0.4, 0.6, 0.8):
        here = (told >= low) & (told < low + 0.2)
        assert right[here].mean() == pytest.approx(told[here].mean(), abs=0.04)


def test_an_exit_that_was_always_right_claims_no_certainty() -> None:
    values = np.tile([9.0, 0.0, 0.0], (100, 1))
    labels = np.zeros(100, int)
    told = softmax(values, fitted_temperature(values, labels)).max()
    assert 0.98 < told < 0.995


def test_what_fits_nothing_stays_in_the_range() -> None:
    values = np.tile([9.0, 0.0, 0.0], (100, 1))
    assert fitted_temperature(values, np.full(100, 1)) <= RANGE[1]


def test_each_exit_is_fitted_on_what_leaves_there_unless_that_is_little() -> None:
    stages = open_bundle("digits-early-exit").manifest.stages
    random = np.random.default_rng(0)
    labels = random.integers(0, 10, 400)
    sure = (np.eye(10)[labels] * 40).astype(np.int8)
    noise = random.integers(-60, 60, (400, 10)).astype(np.int8)
    scores = [np.where(np.arange(400)[:, None] < 200, sure, noise).astype(np.int8)] * len(stages)
    exits = np.where(np.arange(400) < 200, 0, len(stages) - 1)
    found = fitted_temperatures(scores, labels, stages, exits)
    assert len(found) == len(stages)
    assert found[0] < found[-1]
