"""The threshold of the frame gate, chosen on recordings whose truth is known."""

import numpy as np
import pytest

from edge_infer.lab.tuning.gate_choice import (
    THRESHOLDS,
    Recording,
    choose_gate,
    play,
    upper_bound,
)
from edge_infer.lab.tuning.loss_test import samples_needed
from edge_infer.runtime.gate import LEVEL


def recording(levels: list[int], answers: list[int]) -> Recording:
    thumbnails = np.repeat(np.array(levels, np.int32)[:, None] * LEVEL, 4, axis=1)
    return Recording(thumbnails, np.array(answers, np.int64))


@pytest.mark.parametrize(
    ("events", "draws", "bound"),
    [(0, 299, 0.00997), (0, 1, 0.95), (1, 100, 0.0466), (10, 100, 0.1637), (5, 5, 1.0)],
)
def test_the_bound_is_clopper_and_pearson_s(events: int, draws: int, bound: float) -> None:
    assert upper_bound(events, draws, 0.95) == pytest.approx(bound, abs=2e-4)


def test_a_threshold_is_played_through() -> None:
    levels, answers = [0, 1, 2, 3, 9, 9, 0], [5, 5, 6, 6, 7, 7, 5]
    outcome = play(recording(levels, answers), 2.0, 0.95)
    # The net runs on frames 0, 3, 4 and 6; the answer of frame 2 is changed.
    assert outcome.gated == pytest.approx(3 / 7) and outcome.changed == pytest.approx(1 / 7)
    assert outcome.draws == pytest.approx(49 / (9 + 1 + 4 + 1))


def test_long_stills_are_played_in_one_piece() -> None:
    still = recording([0] * 5000 + [50] * 3000, [1] * 5000 + [2] * 3000)
    outcome = play(still, 10.0, 0.95)
    assert outcome.gated == pytest.approx(1 - 2 / 8000) and outcome.changed == 0
    assert outcome.draws < 2 and outcome.bound > 0.9  # two scenes prove nothing
    assert choose_gate(still, 0.01, 0.95).threshold is None


def test_too_few_frames_promise_nothing_and_enough_do() -> None:
    needed = samples_needed(0.01, 0.95)
    varied = [10 * (n % 20) for n in range(needed)]
    assert choose_gate(recording(varied[:-1], [0] * (needed - 1)), 0.01, 0.95).threshold is None
    enough = choose_gate(recording(varied, [0] * needed), 0.01, 0.95)
    assert enough.needed == needed and enough.threshold == 8.0
    assert [row.threshold for row in enough.outcomes] == [t for t in THRESHOLDS if t <= 10]


def test_the_promise_holds_on_frames_that_were_not_seen() -> None:
    """Draw recordings of one law; the chosen threshold may break the bound in 5 % of them."""
    rng = np.random.default_rng(1)

    def draw(frames: int) -> Recording:
        scenes = np.cumsum(rng.random(frames) < 0.3)
        bases = rng.integers(0, 200, scenes[-1] + 1)
        levels = bases[scenes] + rng.integers(0, 5, frames)
        return recording(levels.tolist(), (levels // 25).tolist())

    broken = 0
    for _ in range(10):
        chosen = choose_gate(draw(1000), 0.05, 0.95).threshold
        broken += chosen is not None and play(draw(4000), chosen, 0.95).changed > 0.05
    assert broken <= 1
