"""Percentiles of a stream: exact first, then within 0.05 %, and of bounded size."""

import pickle
import random
import tracemalloc

import numpy as np
import pytest

from edge_infer.runtime.percentiles import EXACT, Percentiles

RANKS = (0, 50, 95, 99, 100)


def filled(values: list[int]) -> Percentiles:
    found = Percentiles()
    for value in values:
        found.add(value)
    return found


def test_none_without_values() -> None:
    assert Percentiles().at(RANKS) == [None] * 5 and Percentiles().greatest is None


def test_below_the_bound_they_are_numpys() -> None:
    rng = random.Random(1)
    values = [rng.randrange(1, 10**8) for _ in range(EXACT - 1)]
    assert filled(values).at(RANKS) == list(np.percentile(np.array(values), RANKS))


@pytest.mark.parametrize("scale", [3, 1_000, 10**6, 10**12, 2**62])
def test_beyond_it_they_are_within_a_twentieth_of_a_percent(scale: int) -> None:
    rng = random.Random(scale)
    values = [int(rng.expovariate(8) * scale) % 2**63 for _ in range(3 * EXACT)]
    found = filled(values)
    assert found.at(RANKS) == pytest.approx(list(np.percentile(values, RANKS)), rel=5e-4, abs=0.5)
    assert found.greatest == max(values) and found.count == len(values)
    assert len(pickle.dumps(found)) < 8 * 60_000  # as they came: 2.4 MB


def test_their_memory_ends_with_the_exact_ones() -> None:
    tracemalloc.start()
    found = Percentiles()
    sizes = []
    for _ in range(4):
        for value in range(EXACT):
            found.add(value * 1_000)
        sizes.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert sizes[-1] < sizes[0] + 10_000 < 1_000_000
