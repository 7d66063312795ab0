import numpy as np
import pytest

from edge_infer.lab.tuning import ExitOutcomes, LossBound, choose_thresholds
from edge_infer.lab.tuning.grouped_split import groups_needed, split_groups

ENERGY_NJ = (10.0, 20.0, 100.0)


def outcomes(groups: int, frames: int, exits: int, seed: int = 0) -> ExitOutcomes:
    """Frames of a group are answered alike."""
    random = np.random.default_rng(seed)
    confidence = np.repeat(random.uniform(0, 1, (exits - 1, groups)), frames, axis=1)
    known = np.linspace(0.7, 0.9, exits)[:, np.newaxis]
    right = np.repeat(random.uniform(0, 1, (exits, groups)) < known, frames, axis=1)
    return ExitOutcomes(confidence, right)


@pytest.mark.parametrize("exits", [2, 3])
def test_one_input_of_each_group_is_tested_on(exits: int) -> None:
    groups = np.repeat(np.arange(50), 8)
    found = outcomes(50, 8, exits)
    split = split_groups(found, groups, ENERGY_NJ[-exits:], np.random.default_rng(1))
    assert len(split.tested) == (50 if exits == 2 else 40)
    # Rows of one group are alike, so each tested row is another group's.
    rows = {tuple(column) for column in split.tested.confidence.T}
    assert len(rows) == len(split.tested)


def test_a_promise_by_groups_holds_where_one_by_frames_breaks() -> None:
    """Forty frames of each video say the same; taken as independent they would prove too much."""
    bound, broken = LossBound(0.05, 0.9), {"groups": 0, "frames": 0}
    truth = outcomes(4000, 1, 2, seed=99)
    for draw in range(40):
        picked = np.random.default_rng(draw).integers(0, 4000, 50)
        drawn = truth.taken(np.repeat(picked, 40))
        alone = np.arange(len(drawn))
        for name, groups in (("groups", np.repeat(np.arange(50), 40)), ("frames", alone)):
            split = split_groups(drawn, groups, ENERGY_NJ[1:], np.random.default_rng(draw))
            choice = choose_thresholds(split, ENERGY_NJ[1:], bound)
            if choice is not None:
                harmed, helped = truth.counts(choice.thresholds)
                broken[name] += harmed - helped > bound.loss * len(truth)
    assert broken["groups"] <= 40 * (0.1 + 2 * (0.1 * 0.9 / 40) ** 0.5)
    assert broken["frames"] > 40 * 0.2


def test_how_many_groups_it_takes() -> None:
    assert groups_needed(2, LossBound(0.01, 0.95)) == 299
    assert groups_needed(3, LossBound(0.01, 0.95)) == 374
